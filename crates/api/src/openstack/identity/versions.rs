//! The versions of the service. Clients read them before they log in.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::catalog::IDENTITY;
use crate::openstack::reply::json as answer;
use crate::openstack::request::ApiRequest;
use transom_app::App;

/// The list of versions. It has only v3, since clients that find v2.0 in it refuse domains.
pub(super) fn list(request: &ApiRequest<'_>) -> Response {
    let path = format!("{}/v3/", request.path.root);
    answer(StatusCode::MULTIPLE_CHOICES, &list_at(request.app, &path))
}

/// The list for a client that was given no path. Its status is 200 instead of 300, since probes
/// that look for a server accept only 200.
pub(super) fn at_root(app: &App) -> Response {
    answer(StatusCode::OK, &list_at(app, &format!("{IDENTITY}/v3/")))
}

fn list_at(app: &App, path: &str) -> Value {
    json!({ "versions": { "values": [describe_v3(app, path)] } })
}

pub(super) fn v3(request: &ApiRequest<'_>) -> Response {
    let path = format!("{}/", request.path.root);
    answer(StatusCode::OK, &json!({ "version": describe_v3(request.app, &path) }))
}

pub(super) fn v2(request: &ApiRequest<'_>) -> Response {
    let version = describe(
        request.app,
        ("v2.0", "deprecated", "2016-08-04T00:00:00Z"),
        &format!("{}/", request.path.root),
        "application/vnd.openstack.identity-v2.0+json",
    );
    answer(StatusCode::OK, &json!({ "version": version }))
}

fn describe_v3(app: &App, path: &str) -> Value {
    let version = ("v3.14", "stable", "2020-04-07T00:00:00Z");
    describe(app, version, path, "application/vnd.openstack.identity-v3+json")
}

/// Describes a version. The dates are those of Keystone's own versions.
fn describe(app: &App, (id, status, updated): (&str, &str, &str), path: &str, media: &str) -> Value {
    let base = app.public_url().as_str().trim_end_matches('/');
    json!({
        "id": id, "status": status, "updated": updated,
        "links": [{ "rel": "self", "href": format!("{base}{path}") }],
        "media-types": [{ "base": "application/json", "type": media }],
    })
}
