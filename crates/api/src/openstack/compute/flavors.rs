//! `GET /flavors`, `/flavors/detail`, `/flavors/{id}`, `/flavors/{id}/os-extra_specs`: there is one, since sizes are not known here.

use axum::response::Response;
use serde_json::{Value, json};

use super::microversion::Microversion;
use super::query::matches_name;
use super::visit::{Visit, ok};
use crate::openstack::fault::Fault;

const ID: &str = "machine";

/// From here on a flavor has a description.
const DESCRIPTION: Microversion = Microversion(55);
/// From here on its details hold what else is known of it.
const EXTRA_SPECS: Microversion = Microversion(61);
/// From here on no swap space is 0; before, it is an empty text.
const SWAP_IS_A_NUMBER: Microversion = Microversion(75);
/// From here on two members are gone that nobody used, and a list may be asked for by name.
const SHORTER: Microversion = Microversion(102);

pub(super) fn list(visit: &Visit<'_>, detail: bool) -> Response {
    let mut asked = url::form_urlencoded::parse(visit.asked.query.as_bytes());
    let meant =
        visit.microversion < SHORTER || asked.all(|(name, value)| name != "name" || matches_name(&value, ID));
    let flavor = if detail { describe(visit) } else { brief(visit) };
    ok(&json!({ "flavors": meant.then_some(flavor).into_iter().collect::<Vec<_>>() }))
}

pub(super) fn one(visit: &Visit<'_>, id: &str) -> Result<Response, Fault> {
    known(id)?;
    Ok(ok(&json!({ "flavor": describe(visit) })))
}

/// What else is known of a flavor.
pub(super) fn specs(id: &str) -> Result<Response, Fault> {
    known(id)?;
    Ok(ok(&json!({ "extra_specs": {} })))
}

fn known(id: &str) -> Result<(), Fault> {
    if id == ID { Ok(()) } else { Err(Fault::missing(format!("Flavor {id} could not be found."))) }
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
    let mut flavor = json!({ "id": ID, "name": ID, "links": visit.links(&format!("flavors/{ID}")) });
    if visit.microversion >= DESCRIPTION {
        flavor["description"] = Value::Null;
    }
    flavor
}

fn describe(visit: &Visit<'_>) -> Value {
    let at = visit.microversion;
    let mut flavor = brief(visit);
    for (told, name, value) in [
        (true, "vcpus", json!(0)),
        (true, "ram", json!(0)),
        (true, "disk", json!(0)),
        (true, "swap", if at >= SWAP_IS_A_NUMBER { json!(0) } else { json!("") }),
        (at < SHORTER, "rxtx_factor", json!(1.0)),
        (true, "OS-FLV-EXT-DATA:ephemeral", json!(0)),
        (at < SHORTER, "OS-FLV-DISABLED:disabled", json!(false)),
        (true, "os-flavor-access:is_public", json!(true)),
        (at >= EXTRA_SPECS, "extra_specs", json!({})),
    ] {
        if told {
            flavor[name] = value;
        }
    }
    flavor
}
