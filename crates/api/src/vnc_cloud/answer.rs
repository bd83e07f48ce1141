//! The answers of this API: refusals and JSON.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use transom_model::cloud::{AddressRecord, DraftError};

use transom_app::Error;
use transom_http::refusal::Reason;

/// The delay in seconds until a rejected caller may retry. Overload and draining pass quickly.
const WAIT: HeaderValue = HeaderValue::from_static("1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A documented `errorCode`. Transom does not use the codes in the gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Code {
    ContentType = 1001,
    Accept = 1002,
    Action = 1003,
    TooMany = 1004,
    EmptyList = 1005,
    GroupName = 1006,
    Address = 1007,
    EmptyAccessControl = 1008,
    Misplaced = 1009,
}

impl Code {
    /// The documented description, which is the same on every endpoint.
    fn message(self) -> &'static str {
        match self {
            Self::ContentType => {
                "The content type of the request body is something other than application/json."
            }
            Self::Accept => {
                "The content type your user agent is expecting for the response body is something other than \
                 application/json."
            }
            Self::Action => "You’ve specified an action that is not connect or listen.",
            Self::TooMany => {
                "For a connect cloud address, you’ve specified more than 16 groups. For a listen cloud address, \
                 you’ve specified more than 24 groups or 8 individual cloud addresses."
            }
            Self::EmptyList => {
                "You’ve created either an allowedActions, groups, or cloudAddresses list, but not put anything \
                 in it."
            }
            Self::GroupName => "A group name is either empty or longer than 256 characters.",
            Self::Address => "The cloud address you’ve specified in the URI is not well-formed.",
            Self::EmptyAccessControl => {
                "You’ve specified an access control list for a listen cloud address, but not put any groups or \
                 individual cloud addresses in it."
            }
            Self::Misplaced => {
                "Either you’ve specified an access control list for a connect cloud address, or a group for a \
                 listen cloud address. It should be the other way around."
            }
        }
    }
}

impl From<DraftError> for Code {
    fn from(fault: DraftError) -> Self {
        match fault {
            DraftError::Action => Self::Action,
            DraftError::TooMany => Self::TooMany,
            DraftError::EmptyList => Self::EmptyList,
            DraftError::GroupName => Self::GroupName,
            DraftError::EmptyAccessControl => Self::EmptyAccessControl,
            DraftError::Misplaced => Self::Misplaced,
        }
    }
}

/// A refused request. It changed nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: Option<Code>,
    /// The reason for the log and the audit.
    reason: Option<Cow<'static, str>>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// Refuses with a status and no body.
    pub(super) fn of(status: StatusCode) -> Self {
        Self { status, code: None, reason: None, header: None }
    }

    /// Refuses a bad request that has no documented code, and gives the reason.
    pub(super) fn bad_request(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Some(reason.into()), ..Self::of(StatusCode::BAD_REQUEST) }
    }

    pub(super) fn unauthorized() -> Self {
        let basic = HeaderValue::from_static("Basic realm=\"VNC Cloud API\", charset=\"UTF-8\"");
        Self { header: Some((WWW_AUTHENTICATE, basic)), ..Self::of(StatusCode::UNAUTHORIZED) }
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let header = Some((ALLOW, HeaderValue::from_static(allow)));
        Self { header, ..Self::of(StatusCode::METHOD_NOT_ALLOWED) }
    }

    pub(super) fn unavailable() -> Self {
        Self { header: Some((RETRY_AFTER, WAIT)), ..Self::of(StatusCode::SERVICE_UNAVAILABLE) }
    }

    pub(super) fn internal() -> Self {
        Self::of(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code: Some(code), ..Self::bad_request(code.message()) }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let is_news = error.is_news();
        match error {
            // A key whose role forbids the operation is treated like an unknown key.
            Error::Unauthenticated(_) | Error::Forbidden { .. } => Self::unauthorized(),
            Error::RateLimited => {
                Self { header: Some((RETRY_AFTER, WAIT)), ..Self::of(StatusCode::TOO_MANY_REQUESTS) }
            }
            Error::NotFound(_) => Self::of(StatusCode::NOT_FOUND),
            Error::Stale => Self::of(StatusCode::PRECONDITION_FAILED),
            Error::Unavailable(cause) => {
                if is_news {
                    tracing::warn!(error = %cause, "the store is unavailable");
                }
                Self::unavailable()
            }
            // This API has no answer of its own for these errors.
            Error::Conflict(_)
            | Error::Malformed(_)
            | Error::Invalid { .. }
            | Error::Rows { .. }
            | Error::InstanceStatus(_)
            | Error::End(_)
            | Error::Internal(_) => {
                tracing::error!(?error, "a call of the VNC Cloud API failed");
                Self::internal()
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody {
    error_code: u16,
    error_message: &'static str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = match self.code {
            Some(code) => {
                json(self.status, &ErrorBody { error_code: code as u16, error_message: code.message() })
            }
            None => empty(self.status),
        };
        if let Some(reason) = self.reason {
            response.extensions_mut().insert(Reason(reason));
        }
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Builds an answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Builds an answer with a JSON object.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // The bodies consist of strings and lists of strings, which JSON can always express.
    let text = serde_json::to_vec(body).unwrap_or_default();
    let mut response = empty(status);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    *response.body_mut() = Body::from(text);
    response
}

/// The `Cache-Control` of an answer with a tag. It forbids transformation, since a proxy that
/// compresses would change both the body and the tag.
const AS_IT_IS: HeaderValue = HeaderValue::from_static("no-store, no-transform");

/// Adds the address's entity version, quoted as `If-Match` will send it back (RFC 9110 §8.8.3).
pub(super) fn with_etag(mut response: Response, record: &AddressRecord) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", record.version)) {
        response.headers_mut().insert(ETAG, value);
        response.headers_mut().insert(CACHE_CONTROL, AS_IT_IS);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g16_g17_every_code_has_its_number_and_its_documented_description() {
        let codes = [
            (Code::ContentType, 1001, "The content type of the request body"),
            (Code::Accept, 1002, "The content type your user agent is expecting"),
            (Code::Action, 1003, "You’ve specified an action that is not connect or listen."),
            (Code::TooMany, 1004, "For a connect cloud address, you’ve specified more than 16 groups."),
            (
                Code::EmptyList,
                1005,
                "You’ve created either an allowedActions, groups, or cloudAddresses list",
            ),
            (Code::GroupName, 1006, "A group name is either empty or longer than 256 characters."),
            (Code::Address, 1007, "The cloud address you’ve specified in the URI is not well-formed."),
            (Code::EmptyAccessControl, 1008, "You’ve specified an access control list for a listen"),
            (Code::Misplaced, 1009, "Either you’ve specified an access control list for a connect"),
        ];
        for (code, number, beginning) in codes {
            assert_eq!(code as u16, number);
            assert!(code.message().starts_with(beginning), "{number}");
        }
    }
}
