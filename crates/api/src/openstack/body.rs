//! Request bodies: JSON up to a limit.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::fault::Fault;
use transom_http::body::{self, BodyError};

/// Nova's sentence for a malformed body. It does not say what is wrong.
pub(super) const MALFORMED: &str = "Malformed request body";

/// Reads a JSON body of at most `max` bytes. The `Content-Type` of anything but JSON is refused
/// first, as in Nova; plain text counts as JSON.
pub(super) async fn read(headers: &HeaderMap, body: Body, max: usize) -> Result<Value, Fault> {
    let bytes = body::read(body, max).await.map_err(|error| match error {
        BodyError::TooLarge => Fault::too_large(),
        BodyError::Broken => Fault::bad_request(MALFORMED).because(error.to_string()),
    })?;
    if let Some(kind) = headers.get(CONTENT_TYPE)
        && !is_json(kind)
    {
        return Err(Fault::media_type());
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Fault::bad_request(MALFORMED).because(format!("the body is not JSON: {error}")))
}

fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let known = ["", "application/json", "text/plain", "application/vnd.openstack.compute+json"];
    known.iter().any(|known| essence.eq_ignore_ascii_case(known))
}
