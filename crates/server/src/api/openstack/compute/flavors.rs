//! `GET /flavors`, `/flavors/detail`, `/flavors/{id}`: there is one, since sizes are not known here.

use axum::response::Response;
use serde_json::{Value, json};

use super::{Visit, ok};
use crate::api::openstack::fault::Fault;

const ID: &str = "machine";

pub(super) fn list(visit: &Visit<'_>, detail: bool) -> Response {
    let flavor = if detail { describe(visit) } else { brief(visit) };
    ok(&json!({ "flavors": [flavor] }))
}

pub(super) fn one(visit: &Visit<'_>, id: &str) -> Result<Response, Fault> {
    if id != ID {
        return Err(Fault::missing(format!("Flavor {id} could not be found.")));
    }
    Ok(ok(&json!({ "flavor": describe(visit) })))
}

/// What a server says of its flavor from 2.47 on.
pub(super) fn embedded() -> Value {
    json!({
        "original_name": ID, "vcpus": 0, "ram": 0, "disk": 0, "ephemeral": 0, "swap": 0, "extra_specs": {},
    })
}

/// What a server says of its flavor before.
pub(super) fn reference(visit: &Visit<'_>) -> Value {
    json!({ "id": ID, "links": visit.links(&format!("flavors/{ID}")) })
}

fn brief(visit: &Visit<'_>) -> Value {
    json!({ "id": ID, "name": ID, "links": visit.links(&format!("flavors/{ID}")) })
}

fn describe(visit: &Visit<'_>) -> Value {
    let mut flavor = brief(visit);
    for (name, value) in [
        ("vcpus", json!(0)),
        ("ram", json!(0)),
        ("disk", json!(0)),
        ("swap", json!(0)),
        ("rxtx_factor", json!(1.0)),
        ("OS-FLV-EXT-DATA:ephemeral", json!(0)),
        ("OS-FLV-DISABLED:disabled", json!(false)),
        ("os-flavor-access:is_public", json!(true)),
    ] {
        flavor[name] = value;
    }
    flavor
}
