//! Request bodies: JSON, within bounds.

use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::fault::Fault;

/// Requests are a few hundred bytes.
const MAX: usize = 256 * 1024;
/// A body that is too large is read this far and thrown away: a client that is still writing would not hear the answer.
const MAX_THROWN_AWAY: usize = 16 * 1024 * 1024;

/// Reads a body of JSON. What is no JSON at all is refused by its type, as Nova does; plain text is taken for JSON.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Value, Fault> {
    let bytes = collect(headers, body).await?;
    if let Some(kind) = headers.get(CONTENT_TYPE)
        && !is_json(kind)
    {
        return Err(Fault::media_type());
    }
    serde_json::from_slice(&bytes).map_err(|_| Fault::bad_request("Malformed request body"))
}

fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let known = ["", "application/json", "text/plain", "application/vnd.openstack.compute+json"];
    known.iter().any(|known| essence.eq_ignore_ascii_case(known))
}

async fn collect(headers: &HeaderMap, mut body: Body) -> Result<Vec<u8>, Fault> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > MAX_THROWN_AWAY) {
        return Err(Fault::too_large());
    }
    let (mut bytes, mut seen) = (Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Fault::bad_request("Malformed request body"))?;
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > MAX_THROWN_AWAY {
            return Err(Fault::too_large());
        }
        if seen <= MAX {
            bytes.extend_from_slice(&data);
        }
    }
    if seen > MAX { Err(Fault::too_large()) } else { Ok(bytes) }
}
