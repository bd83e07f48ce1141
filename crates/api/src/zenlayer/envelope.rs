//! The layer around every call: its id, its time limit, and an answer even if the code behind it
//! panics.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::HeaderValue;
use transom_model::id::RequestId;

use super::error::{ApiError, Code};
use transom_app::{Error, random};
use transom_http::REQUEST_ID;

pub(super) async fn wrap(limit: Duration, mut request: Request, next: Next) -> Response {
    let id = RequestId::in_capitals(random::uuid());
    request.extensions_mut().insert(id.clone());
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    let response = match tokio::time::timeout(limit, answering).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => ApiError::from(Error::internal(told(&*panic))).response(&id),
        Err(_) => ApiError::new(Code::TimedOut, "The request took too long.").response(&id),
    };
    with_id(response, &id)
}

/// Adds the request's id to the answer.
pub(super) fn with_id(mut response: Response, id: &RequestId) -> Response {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The message of a panic, for the log.
fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", words.unwrap_or("no message"))
}
