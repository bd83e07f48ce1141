//! The dialects: each turns its own requests into use cases, and the use cases' errors into its own.

pub mod native;
pub mod openstack;
pub mod vnc_cloud;
pub mod zenlayer;

use axum::response::{IntoResponse, Response};
use transom_model::EndReason;
use transom_model::end_reason::End;

use crate::app::{App, Error, random};
use crate::http::error::Failure;
use crate::http::put_id;

/// What a caller of this path is told that cannot be taken in now, in the words of its dialect.
pub(crate) fn overloaded(app: &App, path: &str) -> Response {
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
pub(crate) fn malformed(app: &App, path: &str, sentence: &str) -> Response {
    if zenlayer::owns(path) {
        return zenlayer::malformed(sentence);
    }
    if openstack::owns(path) {
        return openstack::malformed(app, path, sentence);
    }
    if vnc_cloud::owns(path) {
        return vnc_cloud::malformed();
    }
    unheard(Error::Malformed(sentence.to_owned()))
}

/// Our own answer to a call that nobody looked at.
fn unheard(error: Error) -> Response {
    let request = random::request_id();
    let mut response = Failure::new(error, &request).into_response();
    put_id(response.headers_mut(), &request);
    response
}

/// Whether a path is this root, or lies below it.
fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
