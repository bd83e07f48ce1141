//! `transom address`

use reqwest::Method;
use serde_json::json;
use transom_model::api::{
    AddressBody, AddressChangeBody, AddressSecretBody, EnrolmentBody, EnrolmentTokenBody, List,
    NewEnrolmentsBody, NewTicketBody, TicketBody, ViewerIdBody,
};
use transom_model::cloud::{Action, CloudAddress};

use crate::args::{Address, Common};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output;

const ALL: &str = "/api/v1/addresses";
const ENROLMENTS: &str = "/api/v1/enrolments";

pub(crate) async fn run(common: &Common, command: Address) -> Result<(), Failure> {
    let client = Client::new(common)?;
    let at = |address: &CloudAddress, action: &str| format!("{ALL}/{address}{action}");
    match command {
        Address::Add { key, action, groups, allow_groups, allow_addresses } => {
            let body = json!({ "key": key, "action": action, "groups": groups, "allow_groups": allow_groups,
                "allow_addresses": allow_addresses });
            show_secret(common, &client.send(Method::POST, ALL, &body).await?)
        }
        Address::List { online, project, key } => list(common, &client, online, project, key).await,
        Address::Show { address } => {
            let address: AddressBody = client.read(&at(&address, "")).await?;
            if common.json { output::json(&address) } else { show(address) }
        }
        Address::Set { address, action, groups, allow_groups, allow_addresses } => {
            let named = |list: Vec<String>| {
                // `--group ""` alone clears the list.
                let filled = list.iter().filter(|item| !item.is_empty()).cloned().collect();
                (!list.is_empty()).then_some(filled)
            };
            let body = AddressChangeBody {
                action,
                groups: named(groups),
                allow_groups: named(allow_groups),
                allow_addresses: named(allow_addresses),
            };
            let nothing = body.action.is_none()
                && body.groups.is_none()
                && body.allow_groups.is_none()
                && body.allow_addresses.is_none();
            if nothing {
                return Err(Failure::theirs("nothing to change was named")
                    .with_next_step("transom address set --help lists what can be changed."));
            }
            let lists_named = body.allow_groups.is_some() || body.allow_addresses.is_some();
            let address: AddressBody = client.send(Method::PATCH, &at(&address, ""), &body).await?;
            if lists_named && address.open_to_key {
                // Who takes the last name off the list may have meant the opposite.
                output::say("Every connect address of its key may connect now.");
            }
            if common.json { output::json(&address) } else { Ok(()) }
        }
        Address::Reset { address } => {
            show_secret(common, &client.send(Method::POST, &at(&address, "/reset"), &json!({})).await?)
        }
        Address::Remove { address } => client.act(Method::DELETE, &at(&address, "")).await,
        Address::Move { address, to_key } => {
            let body = json!({ "to_key": to_key });
            let address: AddressBody = client.send(Method::POST, &at(&address, "/move"), &body).await?;
            if common.json { output::json(&address) } else { Ok(()) }
        }
        Address::Enroll { key, count, allow_groups, ttl } => {
            let body = NewEnrolmentsBody { key, count, allow_groups, ttl_seconds: Some(ttl.0.as_secs()) };
            let made: List<EnrolmentTokenBody> = client.send(Method::POST, ENROLMENTS, &body).await?;
            show_tokens(common, &made.items)
        }
        Address::Ticket { address, revoke: true, .. } => {
            client.act(Method::DELETE, &at(&address, "/ticket")).await
        }
        Address::Ticket { address, numeric, revoke: false } => {
            let made: TicketBody =
                client.send(Method::POST, &at(&address, "/ticket"), &NewTicketBody { numeric }).await?;
            if common.json {
                return output::json(&made);
            }
            output::line(&made.ticket)?;
            output::say("The ticket is shown this once, and good until it is revoked or replaced.");
            Ok(())
        }
        Address::ViewerId { address } => {
            let made: ViewerIdBody =
                client.send(Method::POST, &at(&address, "/viewer-id"), &json!({})).await?;
            if common.json {
                return output::json(&made);
            }
            output::line(&made.id)?;
            output::say(format_args!("It opens the device once, until {}.", made.expires_at));
            Ok(())
        }
        Address::Enrolments { key } => {
            let filter = key.map(|key| format!("?key={}", escape(&key))).unwrap_or_default();
            list_enrolments(common, client.list(&format!("{ENROLMENTS}{filter}")).await?)
        }
        Address::Unenroll { id } => client.act(Method::DELETE, &format!("{ENROLMENTS}/{id}")).await,
    }
}

fn show_tokens(common: &Common, made: &[EnrolmentTokenBody]) -> Result<(), Failure> {
    if common.json {
        return output::json(&made);
    }
    made.iter().try_for_each(|enrolment| output::line(&enrolment.token))?;
    if let Some(first) = made.first() {
        output::say(format_args!("Each works once, until {}, and is shown this once.", first.expires_at));
    }
    Ok(())
}

fn list_enrolments(common: &Common, enrolments: Vec<EnrolmentBody>) -> Result<(), Failure> {
    if common.json {
        return output::json(&enrolments);
    }
    let state = |enrolment: &EnrolmentBody| match (&enrolment.address, &enrolment.revoked_at) {
        (Some(address), _) => format!("became {address}"),
        (None, Some(at)) => format!("revoked {at}"),
        (None, None) => format!("open until {}", enrolment.expires_at),
    };
    let rows: Vec<_> =
        enrolments.iter().map(|one| vec![one.id.clone(), one.key.clone(), state(one)]).collect();
    output::table(
        &["ENROLMENT", "KEY", "STATE"],
        &rows,
        "There are no enrolments: transom address enroll --key ID",
    )
}

async fn list(
    common: &Common,
    client: &Client,
    online: bool,
    project: Option<String>,
    key: Option<String>,
) -> Result<(), Failure> {
    let mut filter = format!("?online={online}");
    for (name, value) in [("project", project), ("key", key)] {
        if let Some(value) = value {
            filter.push_str(&format!("&{name}={}", escape(&value)));
        }
    }
    let addresses: Vec<AddressBody> = client.list(&format!("{ALL}{filter}")).await?;
    if common.json {
        return output::json(&addresses);
    }
    let rows: Vec<_> = addresses
        .into_iter()
        .map(|address| {
            let state = if address.online { "online".to_owned() } else { "offline".to_owned() };
            let seen = address.last_seen.unwrap_or_else(|| "never".to_owned());
            let agent = address.agent_version.unwrap_or_else(|| "-".to_owned());
            vec![address.address, address.action.to_string(), state, seen, agent, address.key]
        })
        .collect();
    let header = ["ADDRESS", "ACTION", "STATE", "LAST SEEN", "AGENT", "KEY"];
    output::table(&header, &rows, "There are no addresses: transom address add --key ID --action listen")
}

fn show(address: AddressBody) -> Result<(), Failure> {
    let list = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let presence = match (address.online, address.last_seen) {
        (true, _) => "online".to_owned(),
        (false, Some(at)) => format!("offline, last seen {at}"),
        (false, None) => "offline, never seen".to_owned(),
    };
    let connects = match (address.action, address.open_to_key) {
        (Action::Connect, _) => vec![("groups", list(address.groups))],
        (_, true) => vec![("lets in", "every connect address of its key".to_owned())],
        (_, false) => {
            vec![("lets in", list(address.allow_groups)), ("", list(address.allow_addresses))]
        }
    };
    let before = [
        ("address", address.address),
        ("key", address.key),
        ("project", address.project),
        ("action", address.action.to_string()),
    ];
    let after = [
        ("presence", presence),
        ("agent", address.agent_version.unwrap_or_else(|| "none has joined".to_owned())),
        ("version", address.version.to_string()),
        ("created", address.created_at),
        ("changed", address.changed_at),
    ];
    for (name, value) in before.into_iter().chain(connects).chain(after) {
        output::line(format_args!("{name:<9} {value}"))?;
    }
    Ok(())
}

fn show_secret(common: &Common, made: &AddressSecretBody) -> Result<(), Failure> {
    if common.json {
        return output::json(made);
    }
    output::line(format_args!("address  {}", made.cloud_address))?;
    output::line(format_args!("password {}", made.cloud_password))?;
    output::say("The password is shown this once: keep it now.");
    Ok(())
}
