//! `POST /servers/{id}/action` and `/servers/{id}/remote-consoles`: console URLs.

use axum::body::Body;
use axum::response::Response;
use serde_json::{Value, json};
use transom_model::console_kind::ConsoleKind;
use transom_model::grant::Rights;

use super::context::{Context, ok};
use super::microversion::Microversion;
use super::schema;
use crate::openstack::body;
use crate::openstack::fault::{About, CONSOLE, Fault};
use transom_app::Error;
use transom_app::consoles::console_url::Shape;
use transom_app::consoles::open::ConsoleRequest;
use transom_config::NovncForm;
use transom_http::limits::BODY;

/// The first microversion with `remote-consoles`.
pub(super) const REMOTE_CONSOLES: Microversion = Microversion(6);
/// The first microversion with `mks`.
const MKS: Microversion = Microversion(8);
/// The first microversion with `spice-direct`.
const SPICE_DIRECT: Microversion = Microversion(99);

const VNC_TYPES: [&str; 2] = ["novnc", "xvpvnc"];
const PROTOCOLS: [&str; 5] = ["vnc", "spice", "serial", "rdp", "mks"];
/// The types in the order in which microversions introduced them.
const TYPES: [&str; 7] = ["novnc", "xvpvnc", "spice-html5", "serial", "rdp-html5", "webmks", "spice-direct"];

/// Nova's console actions other than VNC's, each with its type.
const SIBLINGS: [(&str, &str); 2] =
    [("os-getSPICEConsole", "spice-html5"), ("os-getSerialConsole", "serial")];

/// Returns the name and the value of the single member of an action's body. Typed clients may send
/// every other action beside it as `null`. Alone, `null` is the value of an action without
/// arguments.
fn member(body: &Value) -> Result<(&str, &Value), Fault> {
    let malformed = |reason| Fault::bad_request(body::MALFORMED).because(reason);
    let object = body.as_object().ok_or_else(|| malformed("the body is not a JSON object"))?;
    let mut said = object.iter().filter(|(_, value)| object.len() == 1 || !value.is_null());
    match (said.next(), said.next()) {
        (Some((name, value)), None) => Ok((name.as_str(), value)),
        _ => Err(malformed("the body must have one member, the action")),
    }
}

/// Returns the refusals of a body, read as an action and as a remote console.
pub(super) fn read_anywhere(body: &Value) -> Vec<Fault> {
    let action = member(body).and_then(|(name, value)| schema::texts(name, value, [("type", &VNC_TYPES)]));
    let console = schema::only_member(body, "remote_console").and_then(|value| {
        schema::texts("remote_console", value, [("protocol", &PROTOCOLS), ("type", &TYPES)])
    });
    [action.err(), console.err()].into_iter().flatten().collect()
}

pub(super) async fn action(context: &Context<'_>, id: &str, body: Body) -> Result<Response, Fault> {
    let body = body::read(&context.request.headers, body, BODY).await?;
    let (name, value) = member(&body)?;
    match name {
        // Accepted at every microversion, for clients that use this action whatever they
        // negotiated.
        "os-getVNCConsole" => {
            let [kind] = schema::texts(name, value, [("type", &VNC_TYPES)])?;
            let url = open(context, id, kind).await?;
            Ok(ok(&json!({ "console": { "type": kind, "url": url } })))
        }
        _ if context.microversion >= REMOTE_CONSOLES && is_console(name) => Err(Fault::not_found()),
        "os-getRDPConsole" => Err(Fault::generic().because("there are no RDP consoles")),
        _ => {
            let Some((_, kind)) = SIBLINGS.into_iter().find(|(action, _)| *action == name) else {
                return Err(Fault::bad_request(format!(
                    "There is no such action: {}",
                    crate::openstack::python::display(&name.into())
                )));
            };
            schema::texts(name, value, [("type", &[kind])])?;
            exists(context, id).await?;
            Err(Fault::bad_request(format!("Unavailable console type {kind}.")))
        }
    }
}

fn is_console(action: &str) -> bool {
    action == "os-getRDPConsole" || SIBLINGS.iter().any(|(name, _)| *name == action)
}

pub(super) async fn remote_console(context: &Context<'_>, id: &str, body: Body) -> Result<Response, Fault> {
    let body: Value = body::read(&context.request.headers, body, BODY).await?;
    let value = schema::only_member(&body, "remote_console")?;
    let mks = usize::from(context.microversion >= MKS);
    let spice_direct = usize::from(context.microversion >= SPICE_DIRECT);
    let members = [("protocol", &PROTOCOLS[..4 + mks]), ("type", &TYPES[..5 + mks + spice_direct])];
    let [protocol, kind] = schema::texts("remote_console", value, members)?;
    if protocol == "vnc" && VNC_TYPES.contains(&kind) {
        let url = open(context, id, kind).await?;
        return Ok(ok(&json!({ "remote_console": { "protocol": protocol, "type": kind, "url": url } })));
    }
    exists(context, id).await?;
    Err(match protocol {
        "rdp" => Fault::generic().because("there are no RDP consoles"),
        "vnc" => Fault::bad_request(format!("Invalid console type {kind}")),
        _ => Fault::bad_request(format!("Unavailable console type {kind}.")),
    })
}

fn about(server: &str) -> About<'_> {
    About { policy: "os_compute_api:os-remote-consoles", server, operation: CONSOLE }
}

/// Creates a console URL.
async fn open(context: &Context<'_>, id: &str, kind: &str) -> Result<String, Fault> {
    let app = context.request.app;
    let form: NovncForm = app.config().openstack.novnc;
    let (kind, shape) = match kind {
        "xvpvnc" => (ConsoleKind::Xvpvnc, Shape::Connect),
        _ => (ConsoleKind::Page, Shape::Novnc(form)),
    };
    let request = ConsoleRequest { kind, rights: Rights::default(), ttl: None, uses: None, ends_after: None };
    let opened = async {
        // A reader is refused, whether or not the server exists.
        context.call.caller.need(transom_model::access_key::Role::Member)?;
        let instance = id.parse().map_err(|_| Error::NotFound("instance"))?;
        app.consoles.open_console(&context.call, &context.project, &instance, request).await
    };
    let opened = opened.await.map_err(|error| Fault::of(error, about(id)))?;
    let elsewhere = app.config().openstack.xvpvnc_url.as_ref().filter(|_| shape == Shape::Connect);
    Ok(shape.url(elsewhere.unwrap_or_else(|| app.public_url()), &opened.token))
}

async fn exists(context: &Context<'_>, id: &str) -> Result<(), Fault> {
    let found = async {
        context.call.caller.need(transom_model::access_key::Role::Member)?;
        let instance = id.parse().map_err(|_| Error::NotFound("instance"))?;
        context.request.app.inventory.instance(&context.call, &context.project, &instance).await
    };
    found.await.map(drop).map_err(|error| Fault::of(error, about(id)))
}
