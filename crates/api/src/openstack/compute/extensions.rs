//! `GET /extensions`, `/extensions/{alias}`: the former extensions that this service answers, by
//! their old names.

use axum::response::Response;
use serde_json::{Value, json};

use super::context::ok;
use crate::openstack::fault::Fault;
use crate::openstack::python::display;

/// Nova's alias, name and description of each extension.
const EXTENSIONS: [(&str, &str, &str); 6] = [
    ("OS-EXT-STS", "ExtendedStatus", "Extended Status support."),
    ("os-console-auth-tokens", "ConsoleAuthTokens", "Console token authentication support."),
    ("os-consoles", "Consoles", "Interactive Console support."),
    ("os-flavor-extra-specs", "FlavorExtraSpecs", "Flavors extra specs support."),
    (
        "os-server-list-multi-status",
        "ServerListMultiStatus",
        "Allow to filter the servers by a set of status values.",
    ),
    ("os-used-limits", "UsedLimits", "Provide data on limited resources that are being used."),
];

pub(super) fn list() -> Response {
    ok(&json!({ "extensions": EXTENSIONS.map(describe) }))
}

pub(super) fn one(alias: &str) -> Result<Response, Fault> {
    let found = EXTENSIONS.into_iter().find(|(known, ..)| *known == alias);
    let found = found
        .ok_or_else(|| Fault::missing(format!("Extension {} could not be found.", display(&alias.into()))))?;
    Ok(ok(&json!({ "extension": describe(found) })))
}

/// Describes an extension. All have the same namespace and date, as in Nova.
fn describe((alias, name, description): (&str, &str, &str)) -> Value {
    json!({
        "alias": alias, "name": name, "description": description, "links": [],
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml", "updated": "2014-12-03T00:00:00Z",
    })
}
