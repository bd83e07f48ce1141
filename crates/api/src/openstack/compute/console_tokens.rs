//! `GET /os-console-auth-tokens/{token}`: the machine behind a console URL's token, for an
//! administrator's own gateway.

use axum::response::Response;
use serde_json::{Value, json};
use transom_model::endpoint::Endpoint;

use super::context::{Context, ok};
use super::microversion::Microversion;
use crate::openstack::fault::{About, Fault};

/// The first microversion that covers every type of console.
const EVERY_TYPE: Microversion = Microversion(31);
/// The first microversion with a port for TLS, which only SPICE has.
const TLS_PORT: Microversion = Microversion(99);

pub(super) async fn show(context: &Context<'_>, token: &str) -> Result<Response, Fault> {
    if context.microversion < EVERY_TYPE {
        return Err(Fault::generic().because("requires microversion 2.31 or later"));
    }
    let about = About { policy: "os_compute_api:os-console-auth-tokens", server: "", operation: "show" };
    let found = context.request.app.consoles.console_of_dialect(&context.call, token).await;
    let (_, instance) = found.map_err(|error| Fault::of(error, about))?;
    // Another machine cannot dial a Unix socket.
    let Endpoint::Tcp { host, port } = &instance.endpoint else {
        return Err(Fault::missing("Token not found"));
    };
    let mut console = json!({
        "instance_uuid": instance.id,
        "host": host,
        "port": port,
        "internal_access_path": null,
    });
    if context.microversion >= TLS_PORT {
        console["tls_port"] = Value::Null;
    }
    Ok(ok(&json!({ "console": console })))
}
