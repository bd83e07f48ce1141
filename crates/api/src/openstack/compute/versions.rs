//! What versions there are. Clients read this before they log in.

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::microversion::Microversion;
use super::visit::{base, ok, percent};
use crate::openstack::asked::Asked;
use crate::openstack::fault::Fault;
use crate::openstack::place::Version;
use crate::openstack::reply;

/// Where upstream describes each version.
const DESCRIPTION: &str = "https://docs.openstack.org/api-ref/compute/";
/// From the older to the newer.
const VERSIONS: [Version; 2] = [Version::V2, Version::V21];

/// The list, or the choices for a path that names no version.
pub(super) fn list(asked: &Asked<'_>) -> Result<Response, Fault> {
    only_get(asked)?;
    let rest = &asked.place.rest;
    if rest.is_empty() {
        let versions = VERSIONS.map(|version| describe(asked, version, &asked.place.root));
        return Ok(ok(&json!({ "versions": versions })));
    }
    let path: String = rest.iter().map(|segment| format!("/{}", percent(segment))).collect();
    let choices = VERSIONS.map(|version| {
        let (id, status, own) = named(version);
        let itself = link("self", &format!("{}{}{own}{path}", base(asked), asked.place.root));
        json!({ "id": id, "status": status, "links": [itself], "media-types": [media_type(version)] })
    });
    Ok(reply::json(StatusCode::MULTIPLE_CHOICES, &json!({ "choices": choices })))
}

/// One version, with its details.
pub(super) fn one(asked: &Asked<'_>) -> Result<Response, Fault> {
    only_get(asked)?;
    let (prefix, _) = asked.place.root.rsplit_once('/').unwrap_or_default();
    let mut version = describe(asked, asked.place.version, prefix);
    version["media-types"] = json!([media_type(asked.place.version)]);
    let described = json!({ "rel": "describedby", "type": "text/html", "href": DESCRIPTION });
    version["links"].as_array_mut().into_iter().for_each(|links| links.push(described.clone()));
    Ok(ok(&json!({ "version": version })))
}

fn only_get(asked: &Asked<'_>) -> Result<(), Fault> {
    if asked.method == Method::GET { Ok(()) } else { Err(Fault::bad_method("GET, HEAD")) }
}

/// A version's id, its status, and its path.
fn named(version: Version) -> (&'static str, &'static str, &'static str) {
    match version {
        Version::V21 => ("v2.1", "CURRENT", "/v2.1"),
        _ => ("v2.0", "DEPRECATED", "/v2"),
    }
}

fn media_type(version: Version) -> Value {
    let media = match version {
        Version::V21 => "application/vnd.openstack.compute+json;version=2.1",
        _ => "application/vnd.openstack.compute+json;version=2",
    };
    json!({ "base": "application/json", "type": media })
}

fn link(rel: &str, href: &str) -> Value {
    json!({ "rel": rel, "href": href })
}

/// The dates are those of Nova's own versions.
fn describe(asked: &Asked<'_>, version: Version, prefix: &str) -> Value {
    let (id, status, own) = named(version);
    let (updated, newest, oldest) = match version {
        Version::V21 => (
            "2013-07-23T11:33:21Z",
            format!("2.{}", Microversion::LAST.0),
            format!("2.{}", Microversion::FIRST.0),
        ),
        _ => ("2011-01-21T11:33:21Z", String::new(), String::new()),
    };
    json!({
        "id": id, "status": status, "updated": updated, "version": newest, "min_version": oldest,
        "links": [link("self", &format!("{}{prefix}{own}/", base(asked)))],
    })
}
