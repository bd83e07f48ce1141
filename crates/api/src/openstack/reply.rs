//! Answers, as all services give them.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;

/// An answer of these services: JSON, never kept by a cache since tokens and console URLs are in it.
pub(super) fn json(status: http::StatusCode, body: &serde_json::Value) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
