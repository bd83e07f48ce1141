//! `transom instance`

use std::path::Path;

use futures_util::stream::{self, StreamExt as _};
use reqwest::Method;
use serde_json::{Map, Value};
use transom_model::EndReason;
use transom_model::api::{EndedBody, InstanceBody, InstanceTestBody};
use transom_model::end_reason::Side;

use super::file::{read, read_vnc_password};
use super::import;
use super::key::ended;
use crate::args::{Common, Instance, InstanceSettings};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output;

/// The number of characters of a password that VNC authentication uses.
const VNC_PASSWORD: usize = 8;

/// The end reason of a machine that is switched off.
const NOT_RUNNING: &str = EndReason::InstanceNotRunning.code();
/// The most tests of instances that run at once.
const AT_ONCE: usize = 8;

pub(crate) async fn run(common: &Common, command: Instance) -> Result<(), Failure> {
    let client = Client::new(common)?;
    match command {
        Instance::Add { id, project, endpoint, settings } => {
            let mut body = members(settings)?;
            body.insert("id".into(), id.to_string().into());
            body.insert("endpoint".into(), endpoint.to_string().into());
            let instance: InstanceBody = client.send(Method::POST, &all(&project), &body).await?;
            if common.json { output::json(&instance) } else { output::line(instance.id) }
        }
        Instance::Set { id, project, endpoint, moved, no_password, settings } => {
            let mut body = members(settings)?;
            if no_password {
                body.insert("password".into(), "".into());
            }
            if let Some(endpoint) = endpoint {
                body.insert("endpoint".into(), endpoint.to_string().into());
            }
            if moved {
                body.insert("moved".into(), true.into());
            }
            if body.is_empty() {
                return Err(Failure::theirs("no setting to change was given")
                    .with_next_step("transom instance set --help lists the settings."));
            }
            let path = one(&project, id.as_str());
            let replaced = replaced(&client, &path, &body).await?;
            let instance: InstanceBody = client.send(Method::PATCH, &path, &body).await?;
            if let Some(sentence) = replaced {
                output::say(sentence);
            }
            if common.json { output::json(&instance) } else { Ok(()) }
        }
        Instance::Show { id, project } => {
            let instance: InstanceBody = client.read(&one(&project, id.as_str())).await?;
            if common.json { output::json(&instance) } else { show(instance) }
        }
        Instance::Remove { id, project } => {
            let done: EndedBody = client.remove(&one(&project, id.as_str())).await?;
            ended(common, &done, format_args!("removed instance {id}"))
        }
        Instance::List { project } => {
            let instances: Vec<InstanceBody> = client.list(&all(&project)).await?;
            if common.json {
                return output::json(&instances);
            }
            let rows: Vec<_> = instances
                .into_iter()
                .map(|instance| {
                    vec![instance.id, instance.name, instance.status.to_string(), instance.endpoint]
                })
                .collect();
            output::table(&["ID", "NAME", "STATUS", "ENDPOINT"], &rows, &empty(&project))
        }
        Instance::Test { id: Some(id), project, .. } => test(common, &client, &project, id.as_str()).await,
        Instance::Test { id: None, project, .. } => test_all(common, &client, &project).await,
        Instance::Import(arguments) => import::run(common, &client.naming_members(), &arguments).await,
    }
}

/// The sentence about a project without instances.
fn empty(project: &str) -> String {
    format!(
        "There are no instances. To add one: transom instance add ID --project {project} --endpoint vnc://HOST:PORT"
    )
}

fn all(project: &str) -> String {
    format!("/api/v1/projects/{}/instances", escape(project))
}

fn one(project: &str, id: &str) -> String {
    format!("{}/{}", all(project), escape(id))
}

fn members(settings: InstanceSettings) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), Value::String(value));
        }
    };
    let files = [&settings.password_file, &settings.ca, &settings.cert, &settings.key, &settings.header_file];
    if files.into_iter().flatten().filter(|file| *file == Path::new("-")).count() > 1 {
        return Err(Failure::theirs("standard input can be read for one option only"));
    }
    let file = |path: Option<&Path>| path.map(read).transpose();
    put("name", settings.name);
    put("status", settings.status.map(|status| status.to_string()));
    let password = settings.password_file.as_deref().map(read_vnc_password).transpose()?;
    if password.as_ref().is_some_and(|password| password.len() > VNC_PASSWORD) {
        output::say("The password is longer than 8 characters. VNC authentication uses only the first 8.");
    }
    put("password", password);
    put("username", settings.username);
    put("ca", file(settings.ca.as_deref())?);
    put("certificate", file(settings.cert.as_deref())?);
    put("key", file(settings.key.as_deref())?);
    put("fingerprint", settings.fingerprint);
    put("headers", file(settings.header_file.as_deref())?);
    if settings.for_ticket_holder {
        body.insert("for_ticket_holder".into(), true.into());
    }
    Ok(body)
}

/// Returns the note that a new CA replaces a fingerprint, or the reverse.
async fn replaced(
    client: &Client,
    path: &str,
    body: &Map<String, Value>,
) -> Result<Option<&'static str>, Failure> {
    let names = |member: &str| body.get(member).is_some_and(|value| value != "");
    if !names("ca") && !names("fingerprint") {
        return Ok(None);
    }
    let before = client.read::<InstanceBody>(path).await?.security;
    Ok(if names("ca") && before.fingerprint.is_some() {
        Some("The CA replaces the fingerprint that was set.")
    } else if names("fingerprint") && before.ca {
        Some("The fingerprint replaces the CA that was set.")
    } else {
        None
    })
}

fn show(instance: InstanceBody) -> Result<(), Failure> {
    let security = instance.security;
    let import_name = instance.import_name.map(|name| name.to_string());
    let withheld = security.withheld;
    let mut ways = Vec::new();
    if security.ca {
        ways.push("TLS, by CA".to_owned());
    }
    ways.extend(security.fingerprint.map(|fingerprint| format!("TLS, by fingerprint {fingerprint}")));
    if security.certificate {
        ways.push("client certificate".to_owned());
    }
    ways.extend(security.username.map(|user| format!("user {user}")));
    if security.password {
        ways.push("password".to_owned());
    }
    if security.headers {
        ways.push("request headers".to_owned());
    }
    let security = if ways.is_empty() { "none".to_owned() } else { ways.join(", ") };
    let security = match withheld {
        false => security,
        true => {
            format!("{security} (withheld, because the address has received new credentials; set them again)")
        }
    };
    let settings = [
        ("id", instance.id),
        ("name", instance.name),
        ("project", instance.project),
        ("status", instance.status.to_string()),
        ("endpoint", instance.endpoint),
        ("security", security),
    ];
    let import = import_name.map(|name| ("import", name));
    let times = [("created", instance.created_at), ("updated", instance.updated_at)];
    for (name, value) in settings.into_iter().chain(import).chain(times) {
        output::line(format_args!("{name:<9} {value}"))?;
    }
    Ok(())
}

/// Tests one instance, and prints the steps as lines.
async fn test(common: &Common, client: &Client, project: &str, id: &str) -> Result<(), Failure> {
    let tested = client.post::<InstanceTestBody>(&test_of(project, id)).await?;
    if common.json {
        output::json(&tested)?;
    } else {
        for step in &tested.steps {
            let outcome = if step.ok { "ok" } else { "failed" };
            output::line(format_args!("{:<14}  {outcome:<6}  {:>9.1} ms", step.name.as_str(), step.ms))?;
        }
        if let Some(screen) = &tested.screen {
            output::line(format_args!("opens: {}x{} {}", screen.width, screen.height, screen.name))?;
        }
    }
    match failure_of(&tested) {
        None => Ok(()),
        Some(failure) => Err(failure.with_printed_result()),
    }
}

/// Tests all instances of a project, and prints those that do not open by reason.
async fn test_all(common: &Common, client: &Client, project: &str) -> Result<(), Failure> {
    let instances: Vec<InstanceBody> = client.list(&all(project)).await?;
    if instances.is_empty() && !common.json {
        output::say(empty(project));
        return Ok(());
    }
    let total = instances.len();
    let test = async |instance: &InstanceBody| {
        let tested = client.post::<InstanceTestBody>(&test_of(project, &instance.id)).await;
        tested.map_err(|failure| failure.of(format_args!("instance {}", instance.id)))
    };
    let mut running = stream::iter(instances.iter().map(test)).buffered(AT_ONCE);
    let (mut tested, mut untested) = (Vec::with_capacity(total), Vec::new());
    while let Some(done) = running.next().await {
        match done {
            Ok(done) => tested.push(done),
            Err(failure) => untested.push(failure),
        }
        output::progress(format_args!("{} of {total}", tested.len() + untested.len()));
    }
    output::progress_done();
    let mut shut: Vec<_> = tested.iter().filter(|tested| tested.reason.is_some()).collect();
    shut.sort_by_key(|tested| tested.reason.clone());
    if common.json {
        output::json(&tested)?;
    } else if !shut.is_empty() {
        let cell = |text: &Option<String>| text.clone().unwrap_or_default();
        let row = |tested: &&InstanceTestBody| {
            vec![tested.instance.clone(), cell(&tested.reason), cell(&tested.message)]
        };
        let rows: Vec<_> = shut.iter().map(row).collect();
        output::table(&["ID", "REASON", "MESSAGE"], &rows, "")?;
    }
    let missing = untested.len();
    for failure in untested {
        output::report(failure, false);
    }
    // A machine that is switched off is no fault.
    let is_off = |tested: &&&InstanceTestBody| tested.reason.as_deref() == Some(NOT_RUNNING);
    let off = shut.iter().filter(is_off).count();
    let off_too = match off {
        0 => String::new(),
        1 => ", 1 machine is not running".to_owned(),
        more => format!(", {more} machines are not running"),
    };
    output::say(format_args!("{} of {total} consoles open{off_too}", tested.len() - shut.len()));
    let sentence = match (shut.len() - off, missing) {
        (0, 0) => return Ok(()),
        (0, missing) => format!("{missing} of {total} instances could not be tested"),
        (1, _) => "1 console does not open".to_owned(),
        (more, _) => format!("{more} consoles do not open"),
    };
    let next = format!("transom instance test ID --project {project} names the step and what to do.");
    Err(Failure::theirs(sentence).with_next_step(next).with_printed_result())
}

fn test_of(project: &str, id: &str) -> String {
    format!("{}/test", one(project, id))
}

/// The failure of an instance whose console does not open.
fn failure_of(tested: &InstanceTestBody) -> Option<Failure> {
    let message = tested.message.as_deref()?;
    let sentence = format!("{}: {message} (request {})", tested.instance, tested.request_id);
    let is_ours = |reason: &str| reason.parse().is_ok_and(|reason: EndReason| reason.side() == Side::Transom);
    let failure = if tested.reason.as_deref().is_some_and(is_ours) {
        Failure::ours(sentence)
    } else {
        Failure::theirs(sentence)
    };
    Some(match &tested.next_step {
        Some(next_step) => failure.with_next_step(next_step),
        None => failure,
    })
}
