//! `GET /flavors`, `/flavors/detail`, `/flavors/{id}`, `/flavors/{id}/os-extra_specs`: a single
//! flavor, since Transom does not know the sizes of machines.

use axum::response::Response;
use serde_json::{Value, json};

use super::context::{Context, ok};
use super::microversion::Microversion;
use super::query::matches_name;
use crate::openstack::fault::Fault;

const ID: &str = "machine";

/// The first microversion in which a flavor has a description.
const DESCRIPTION: Microversion = Microversion(55);
/// The first microversion in which a flavor's details include its extra specs.
const EXTRA_SPECS: Microversion = Microversion(61);
/// The first microversion in which a missing swap space is 0. Before, it is an empty string.
const SWAP_IS_A_NUMBER: Microversion = Microversion(75);
/// The first microversion without two unused members, and with a filter by name.
const SHORTER: Microversion = Microversion(102);

pub(super) fn list(context: &Context<'_>, detail: bool) -> Response {
    let mut request = url::form_urlencoded::parse(context.request.query.as_bytes());
    let meant = context.microversion < SHORTER
        || request.all(|(name, value)| name != "name" || matches_name(&value, ID));
    let flavor = if detail { describe(context) } else { brief(context) };
    ok(&json!({ "flavors": meant.then_some(flavor).into_iter().collect::<Vec<_>>() }))
}

pub(super) fn one(context: &Context<'_>, id: &str) -> Result<Response, Fault> {
    known(id)?;
    Ok(ok(&json!({ "flavor": describe(context) })))
}

/// The extra specs of a flavor.
pub(super) fn specs(id: &str) -> Result<Response, Fault> {
    known(id)?;
    Ok(ok(&json!({ "extra_specs": {} })))
}

fn known(id: &str) -> Result<(), Fault> {
    if id == ID { Ok(()) } else { Err(Fault::missing(format!("Flavor {id} could not be found."))) }
}

/// The flavor in a server from 2.47 on.
pub(super) fn embedded() -> Value {
    json!({
        "original_name": ID, "vcpus": 0, "ram": 0, "disk": 0, "ephemeral": 0, "swap": 0, "extra_specs": {},
    })
}

/// The flavor in a server before 2.47.
pub(super) fn reference(context: &Context<'_>) -> Value {
    json!({ "id": ID, "links": context.links(&format!("flavors/{ID}")) })
}

fn brief(context: &Context<'_>) -> Value {
    let mut flavor = json!({ "id": ID, "name": ID, "links": context.links(&format!("flavors/{ID}")) });
    if context.microversion >= DESCRIPTION {
        flavor["description"] = Value::Null;
    }
    flavor
}

fn describe(context: &Context<'_>) -> Value {
    let at = context.microversion;
    let mut flavor = brief(context);
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
