//! The versions of the service. Clients read them before they log in.

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::context::{base, ok, percent};
use super::microversion::Microversion;
use crate::openstack::fault::Fault;
use crate::openstack::reply;
use crate::openstack::request::ApiRequest;
use crate::openstack::request_path::Version;

/// The URL of OpenStack's description of the API.
const DESCRIPTION: &str = "https://docs.openstack.org/api-ref/compute/";
/// The versions, the older one first.
const VERSIONS: [Version; 2] = [Version::V2, Version::V21];

/// The list of versions, or the choices for a path that names no version.
pub(super) fn list(request: &ApiRequest<'_>) -> Result<Response, Fault> {
    only_get(request)?;
    let rest = &request.path.rest;
    if rest.is_empty() {
        let versions = VERSIONS.map(|version| describe(request, version, &request.path.root));
        return Ok(ok(&json!({ "versions": versions })));
    }
    let path: String = rest.iter().map(|segment| format!("/{}", percent(segment))).collect();
    let choices = VERSIONS.map(|version| {
        let (id, status, own) = named(version);
        let itself = link("self", &format!("{}{}{own}{path}", base(request), request.path.root));
        json!({ "id": id, "status": status, "links": [itself], "media-types": [media_type(version)] })
    });
    Ok(reply::json(StatusCode::MULTIPLE_CHOICES, &json!({ "choices": choices })))
}

/// A single version, with its details.
pub(super) fn one(request: &ApiRequest<'_>) -> Result<Response, Fault> {
    only_get(request)?;
    let (prefix, _) = request.path.root.rsplit_once('/').unwrap_or_default();
    let mut version = describe(request, request.path.version, prefix);
    version["media-types"] = json!([media_type(request.path.version)]);
    let described = json!({ "rel": "describedby", "type": "text/html", "href": DESCRIPTION });
    version["links"].as_array_mut().into_iter().for_each(|links| links.push(described.clone()));
    Ok(ok(&json!({ "version": version })))
}

fn only_get(request: &ApiRequest<'_>) -> Result<(), Fault> {
    if request.method == Method::GET { Ok(()) } else { Err(Fault::bad_method("GET, HEAD")) }
}

/// A version's id, its status and its path.
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

/// Describes a version. The dates are those of Nova's own versions.
fn describe(request: &ApiRequest<'_>, version: Version, prefix: &str) -> Value {
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
        "links": [link("self", &format!("{}{prefix}{own}/", base(request)))],
    })
}
