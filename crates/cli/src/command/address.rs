//! `transom address`

use reqwest::Method;
use serde_json::json;
use transom_model::api::{AcceptKeyBody, AddressBody, AddressChangeBody, AddressSecretBody};
use transom_model::cloud::{Action, CloudAddress};

use crate::args::{Address, Common};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output;

const ALL: &str = "/api/v1/addresses";

pub(crate) async fn run(common: &Common, command: Address) -> Result<(), Failure> {
    let client = Client::new(common)?;
    let at = |address: &CloudAddress, action: &str| format!("{ALL}/{address}{action}");
    match command {
        Address::Add { key, action, name, groups, allow_groups, allow_addresses } => {
            let mut body = json!({ "key": key, "action": action, "groups": groups, "allow_groups": allow_groups,
                "allow_addresses": allow_addresses });
            if let Some(name) = name {
                body["name"] = json!(name);
            }
            show_secret(common, &client.send(Method::POST, ALL, &body).await?)
        }
        Address::List { online, project, key, name, group } => {
            let filters = [("project", project), ("key", key), ("name", name), ("group", group)];
            list(common, &client, online, filters).await
        }
        Address::Show { address } => {
            let address: AddressBody = client.read(&at(&address, "")).await?;
            if common.json { output::json(&address) } else { show(address) }
        }
        Address::Set { address, name, action, groups, allow_groups, allow_addresses } => {
            let named = |list: Vec<String>| {
                // `--group ""` alone clears the list.
                let filled = list.iter().filter(|item| !item.is_empty()).cloned().collect();
                (!list.is_empty()).then_some(filled)
            };
            let body = AddressChangeBody {
                name,
                action,
                groups: named(groups),
                allow_groups: named(allow_groups),
                allow_addresses: named(allow_addresses),
            };
            let nothing = body.name.is_none()
                && body.action.is_none()
                && body.groups.is_none()
                && body.allow_groups.is_none()
                && body.allow_addresses.is_none();
            if nothing {
                return Err(Failure::theirs("no setting to change was given")
                    .with_next_step("transom address set --help lists the settings."));
            }
            let lists_named = body.allow_groups.is_some() || body.allow_addresses.is_some();
            let address: AddressBody = client.send(Method::PATCH, &at(&address, ""), &body).await?;
            if lists_named && address.open_to_key {
                // A user who takes the last name off the list may have meant the opposite.
                output::say("Every connect address of its key may now connect.");
            }
            if common.json { output::json(&address) } else { Ok(()) }
        }
        Address::Reset { address } => {
            show_secret(common, &client.send(Method::POST, &at(&address, "/reset"), &json!({})).await?)
        }
        Address::Remove { address } => {
            client.act(Method::DELETE, &at(&address, "")).await?;
            let sentence = format_args!("removed address {address} and ended its sessions");
            output::done(common.json, &json!({ "address": address }), sentence)
        }
        Address::Move { address, to_key } => {
            let body = json!({ "to_key": to_key });
            let address: AddressBody = client.send(Method::POST, &at(&address, "/move"), &body).await?;
            output::done(
                common.json,
                &address,
                format_args!("moved address {} to key {to_key}", address.address),
            )
        }
        Address::AcceptKey { address, device_key } => {
            let body = AcceptKeyBody { key: device_key.map(|key| key.to_string()) };
            let accepted: AddressBody =
                client.send(Method::POST, &at(&address, "/accept-key"), &body).await?;
            if common.json {
                return output::json(&accepted);
            }
            let key = accepted.trusted_key.unwrap_or_default();
            output::say(format_args!(
                "Consoles now accept the device's key {key}. Compare it with the key that its agent prints at the start."
            ));
            Ok(())
        }
    }
}

async fn list(
    common: &Common,
    client: &Client,
    online: bool,
    filters: [(&str, Option<String>); 4],
) -> Result<(), Failure> {
    let mut filter = format!("?online={online}");
    for (name, value) in filters {
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
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let (name, source, host) =
                (or_none(address.name), or_none(address.source), or_none(address.host_name));
            let agent = or_none(address.agent_version);
            vec![
                name,
                address.address,
                address.action.to_string(),
                state,
                seen,
                source,
                host,
                agent,
                address.key,
            ]
        })
        .collect();
    let header = ["NAME", "ADDRESS", "ACTION", "STATE", "LAST SEEN", "SOURCE", "HOST", "AGENT", "KEY"];
    output::table(
        &header,
        &rows,
        "There are no addresses. To issue one: transom address add --key ID --action listen",
    )
}

fn show(address: AddressBody) -> Result<(), Failure> {
    let list = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let presence = match (address.online, address.last_seen) {
        (true, Some(at)) => format!("online since {at}"),
        (true, None) => "online".to_owned(),
        (false, Some(at)) => format!("offline, last seen {at}"),
        (false, None) => "offline, never seen".to_owned(),
    };
    let connects = match (address.action, address.open_to_key) {
        (Action::Connect, _) => vec![("groups", list(address.groups))],
        (_, true) => vec![("allows", "every connect address of its key".to_owned())],
        (_, false) => {
            vec![("allows", list(address.allow_groups)), ("", list(address.allow_addresses))]
        }
    };
    let unknown = |text: Option<String>| text.unwrap_or_else(|| "not known".to_owned());
    let device = [
        ("source", unknown(address.source)),
        ("host", unknown(address.host_name)),
        (
            "targets",
            if address.targets.is_empty() { "not known".to_owned() } else { address.targets.join(", ") },
        ),
    ];
    let keys = match (address.device_key, address.trusted_key) {
        (None, None) => vec![("its key", "not known".to_owned())],
        (Some(shown), Some(trusted)) if shown != trusted => {
            vec![("its key", format!("{shown}, which consoles refuse: they trust {trusted}"))]
        }
        (Some(key), _) | (None, Some(key)) => vec![("its key", key)],
    };
    let renewed = address.renewed_at.map(|at| ("renewed", at));
    let rival = address.rival.map(|rival| {
        let host = rival.host_name.unwrap_or_else(|| "an unnamed machine".to_owned());
        let from = rival.source.map(|source| format!(" at {source}")).unwrap_or_default();
        (
            "rival",
            format!(
                "{host}{from} has the same identity, and each of the two disconnects the other (last {})",
                rival.at
            ),
        )
    });
    let before = [
        ("address", address.address),
        ("name", address.name.unwrap_or_else(|| "none".to_owned())),
        ("key", address.key),
        ("project", address.project),
        ("action", address.action.to_string()),
    ];
    let after = [
        ("presence", presence),
        ("agent", address.agent_version.unwrap_or_else(|| "never joined".to_owned())),
        ("version", address.version.to_string()),
        ("created", address.created_at),
        ("changed", address.changed_at),
    ];
    let device = (address.action == Action::Listen).then(|| device.into_iter().chain(keys));
    let device = device.into_iter().flatten().chain(renewed).chain(rival);
    for (name, value) in before.into_iter().chain(connects).chain(device).chain(after) {
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
    output::say("Save the password now. It is not shown again.");
    Ok(())
}
