//! `GET /os-console-auth-tokens/{token}`: where a console URL's token leads, for an administrator's own gateway.

use axum::response::Response;
use serde_json::{Value, json};
use transom_model::endpoint::Endpoint;
use transom_model::grant::Dialect;

use super::microversion::Microversion;
use super::visit::{Visit, ok};
use crate::openstack::fault::{About, Fault};

/// From here on every type of console is told.
const EVERY_TYPE: Microversion = Microversion(31);
/// From here on the port for TLS stands beside the other; only SPICE has one.
const TLS_PORT: Microversion = Microversion(99);

pub(super) async fn show(visit: &Visit<'_>, token: &str) -> Result<Response, Fault> {
    if visit.microversion < EVERY_TYPE {
        return Err(Fault::generic().because("this wants microversion 2.31 or later"));
    }
    let about = About { policy: "os_compute_api:os-console-auth-tokens", server: "", operation: "show" };
    let found = visit.asked.app.consoles.console_of_dialect(&visit.call, Dialect::Openstack, token).await;
    let (_, instance) = found.map_err(|error| Fault::of(error, about))?;
    // A unix socket is nothing that another machine could dial.
    let Endpoint::Tcp { host, port } = &instance.endpoint else {
        return Err(Fault::missing("Token not found"));
    };
    let mut console = json!({
        "instance_uuid": instance.id,
        "host": host,
        "port": port,
        "internal_access_path": null,
    });
    if visit.microversion >= TLS_PORT {
        console["tls_port"] = Value::Null;
    }
    Ok(ok(&json!({ "console": console })))
}
