//! What versions there are. Clients read this before they log in.

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::base;
use super::microversion::Microversion;
use crate::api::openstack::place::Version;
use crate::api::openstack::{Asked, fault::Fault};

/// The list, or the choices for a path that names no version.
pub(super) fn list(asked: &Asked<'_>, root: bool) -> Result<Response, Fault> {
    only_get(asked)?;
    let versions = [Version::V2, Version::V21].map(|version| describe(asked, version, &asked.place.root));
    if root {
        return Ok(super::ok(&json!({ "versions": versions })));
    }
    Ok(crate::api::openstack::json(StatusCode::MULTIPLE_CHOICES, &json!({ "choices": versions })))
}

/// One version.
pub(super) fn one(asked: &Asked<'_>) -> Result<Response, Fault> {
    only_get(asked)?;
    let (prefix, _) = asked.place.root.rsplit_once('/').unwrap_or_default();
    let mut version = describe(asked, asked.place.version, prefix);
    let media = match asked.place.version {
        Version::V21 => "application/vnd.openstack.compute+json;version=2.1",
        _ => "application/vnd.openstack.compute+json;version=2",
    };
    version["media-types"] = json!([{ "base": "application/json", "type": media }]);
    Ok(super::ok(&json!({ "version": version })))
}

fn only_get(asked: &Asked<'_>) -> Result<(), Fault> {
    if asked.method == Method::GET { Ok(()) } else { Err(Fault::bad_method("GET, HEAD")) }
}

/// The dates are those of Nova's own versions.
fn describe(asked: &Asked<'_>, version: Version, prefix: &str) -> Value {
    let link = |path: &str| json!([{ "rel": "self", "href": format!("{}{prefix}{path}", base(asked)) }]);
    match version {
        Version::V21 => json!({
            "id": "v2.1", "status": "CURRENT", "updated": "2013-07-23T11:33:21Z", "links": link("/v2.1/"),
            "version": format!("2.{}", Microversion::LAST.0), "min_version": format!("2.{}", Microversion::FIRST.0),
        }),
        _ => json!({
            "id": "v2.0", "status": "DEPRECATED", "updated": "2011-01-21T11:33:21Z", "links": link("/v2/"),
            "version": "", "min_version": "",
        }),
    }
}
