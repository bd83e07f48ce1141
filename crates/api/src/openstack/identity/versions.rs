//! What versions there are. Clients read this before they log in.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::catalog::IDENTITY;
use crate::openstack::asked::Asked;
use crate::openstack::reply::json as answer;
use transom_app::App;

/// The list; only v3, since clients that find v2.0 in it refuse domains.
pub(super) fn list(asked: &Asked<'_>) -> Response {
    let path = format!("{}/v3/", asked.place.root);
    answer(StatusCode::MULTIPLE_CHOICES, &list_at(asked.app, &path))
}

/// The list for a client that was given no path. It is no choice among several, and whatever looks whether a server is there
/// takes nothing but 200 for an answer.
pub(super) fn at_root(app: &App) -> Response {
    answer(StatusCode::OK, &list_at(app, &format!("{IDENTITY}/v3/")))
}

fn list_at(app: &App, path: &str) -> Value {
    json!({ "versions": { "values": [describe_v3(app, path)] } })
}

pub(super) fn v3(asked: &Asked<'_>) -> Response {
    let path = format!("{}/", asked.place.root);
    answer(StatusCode::OK, &json!({ "version": describe_v3(asked.app, &path) }))
}

pub(super) fn v2(asked: &Asked<'_>) -> Response {
    let version = describe(
        asked.app,
        ("v2.0", "deprecated", "2016-08-04T00:00:00Z"),
        &format!("{}/", asked.place.root),
        "application/vnd.openstack.identity-v2.0+json",
    );
    answer(StatusCode::OK, &json!({ "version": version }))
}

fn describe_v3(app: &App, path: &str) -> Value {
    let version = ("v3.14", "stable", "2020-04-07T00:00:00Z");
    describe(app, version, path, "application/vnd.openstack.identity-v3+json")
}

/// The dates are those of Keystone's own versions.
fn describe(app: &App, (id, status, updated): (&str, &str, &str), path: &str, media: &str) -> Value {
    let base = app.public_url().as_str().trim_end_matches('/');
    json!({
        "id": id, "status": status, "updated": updated,
        "links": [{ "rel": "self", "href": format!("{base}{path}") }],
        "media-types": [{ "base": "application/json", "type": media }],
    })
}
