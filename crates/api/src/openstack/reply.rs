//! The answers of all services.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;

/// Builds a JSON answer. Caches must not store it, since it may hold tokens and console URLs.
pub(super) fn json(status: http::StatusCode, body: &serde_json::Value) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
