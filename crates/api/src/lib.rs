//! The dialects: each turns its own requests into use cases, and the use cases' errors into its own.

pub mod native;
pub mod openstack;
mod paths;
mod refusals;
pub mod vnc_cloud;
pub mod zenlayer;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Uri;
use http::uri::PathAndQuery;
use tower::ServiceExt as _;
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_model::grant::Dialect;
use transom_model::id::RequestId;

use transom_app::refusals::BadRequest;
use transom_app::{App, Error, random};
use transom_http::error::Failure;
use transom_http::put_id;

/// What a caller of this path is told that cannot be taken in now, in the words of its dialect.
pub fn overloaded(app: &App, path: &str) -> Response {
    if zenlayer::owns(path) {
        return zenlayer::overloaded();
    }
    if openstack::owns(path) {
        return openstack::overloaded(app, path);
    }
    if vnc_cloud::owns(path) {
        return vnc_cloud::overloaded();
    }
    unheard(End::from(EndReason::Overloaded).into())
}

/// What a caller of this path is told whose request is not HTTP as it should be, in the words of its dialect.
pub async fn malformed(app: &App, source: IpAddr, path: &str, sentence: &str) -> Response {
    let dialect = dialect_of(path);
    let request = match dialect {
        Dialect::Zenlayer => RequestId::in_capitals(random::uuid()),
        _ => random::request_id(),
    };
    let mut response = match dialect {
        Dialect::Zenlayer => zenlayer::malformed(&request, sentence),
        Dialect::Openstack => openstack::malformed(app, &request, path, sentence),
        Dialect::VncCloud => vnc_cloud::malformed(),
        Dialect::Api => Failure::new(Error::Malformed(sentence.to_owned()), &request).into_response(),
    };
    put_id(response.headers_mut(), &request);
    let target = String::new();
    let bad = BadRequest { request: &request, source, call: None, dialect, target, reason: sentence };
    app.note_bad_request(bad).await;
    response
}

/// The answer to a call of a path that is none, but near one of ours: behind a slash too many, or without one that should be
/// there. Vendors' servers take the first for none, and so do their dialects, which `doors` leads to; our own API does not.
/// None: it is nobody's.
pub async fn nearby(app: &App, doors: Router, mut request: Request) -> Option<Response> {
    let path = format!("/{}", request.uri().path().trim_start_matches('/'));
    if request.uri().path() != path && is_of_a_dialect(&path) {
        *request.uri_mut() = with_path(request.uri(), &path)?;
        return doors.oneshot(request).await.ok();
    }
    if zenlayer::is_meant(&path) {
        return Some(zenlayer::nowhere());
    }
    if vnc_cloud::is_meant(&path) {
        return Some(vnc_cloud::nowhere());
    }
    if let Some(answer) = openstack::nowhere(app, &path) {
        return Some(answer);
    }
    path.starts_with("/api").then(|| unheard(Error::NotFound("path")))
}

/// Tells why an answer is 400, whichever dialect it is of.
pub async fn tell_refusals(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let dialect = dialect_of(request.uri().path());
    refusals::told(&app, dialect, request, next).await
}

/// Whose path it is.
fn dialect_of(path: &str) -> Dialect {
    if zenlayer::owns(path) {
        Dialect::Zenlayer
    } else if openstack::owns(path) {
        Dialect::Openstack
    } else if vnc_cloud::owns(path) {
        Dialect::VncCloud
    } else {
        Dialect::Api
    }
}

fn is_of_a_dialect(path: &str) -> bool {
    zenlayer::owns(path) || openstack::owns(path) || vnc_cloud::owns(path)
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{path}{query}").parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

/// Our own answer to a call that nobody looked at.
fn unheard(error: Error) -> Response {
    let request = random::request_id();
    let mut response = Failure::new(error, &request).into_response();
    put_id(response.headers_mut(), &request);
    response
}
