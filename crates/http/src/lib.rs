//! The parts of HTTP that all front doors share: the source of a request, its id, and the form of a
//! failure.

pub mod body;
pub mod console_paths;
pub mod error;
pub mod host;
pub mod limits;
pub mod misfit;
pub mod object;
pub mod refusal;
pub mod seat;
pub mod source;
pub mod stream;
pub mod unproved;
pub mod upgrade;

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use transom_model::id::RequestId;

use transom_app::random;

/// The header that carries the id of a request.
pub const REQUEST_ID: &str = "x-request-id";

/// Sets `Host` on every request to the host that the request was sent to.
///
/// HTTP/2 names the host in `:authority` (RFC 9113 §8.3.1), and a URL in the request line takes
/// precedence over `Host` (RFC 9112 §3.2.2).
pub async fn with_host(mut request: Request, next: Next) -> Response {
    if let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    next.run(request).await
}

/// Gives every request an id and puts it on the answer.
pub async fn with_request_id(mut request: Request, next: Next) -> Response {
    let id = random::request_id();
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if !response.headers().contains_key(REQUEST_ID) {
        put_id(response.headers_mut(), &id);
    }
    response
}

/// Puts the id of a request on its answer.
pub fn put_id(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
}

/// The id of the request, as an argument of a handler.
#[derive(Clone, Debug)]
pub struct Id(pub RequestId);

impl<S: Sync> FromRequestParts<S> for Id {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let id = parts.extensions.get::<RequestId>().cloned();
        Ok(Self(id.unwrap_or_else(random::request_id)))
    }
}
