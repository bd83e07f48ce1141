//! The answers to successful calls.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use transom_model::id::RequestId;

/// The content type as Zenlayer writes it.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The body of an answer. Every SDK reads the members inside `response`. Zenlayer's documentation
/// also shows them beside it. The status must be exactly 200, since the SDKs take any other for a
/// failure.
#[derive(Serialize)]
struct Wrapped<'a, T> {
    #[serde(flatten)]
    flat: &'a Flat<'a, T>,
    response: &'a Flat<'a, T>,
}

#[derive(Serialize)]
struct Flat<'a, T> {
    #[serde(rename = "requestId")]
    request: &'a RequestId,
    #[serde(flatten)]
    members: &'a T,
}

/// Builds the answer to the request of this id.
pub(super) fn reply<T: Serialize>(request: &RequestId, members: &T) -> Response {
    let flat = Flat { request, members };
    let mut response = Json(Wrapped { flat: &flat, response: &flat }).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
