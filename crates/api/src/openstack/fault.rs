//! Faults in the forms of Nova, Keystone v3 and Keystone v2.0. All errors of use cases become
//! faults here.

use std::borrow::Cow;

use axum::response::Response;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use transom_model::EndReason;
use transom_model::id::RequestId;
use transom_model::instance::InstanceStatus;

use super::reply;
use super::request_path::{RequestPath, Service, Version};
use transom_app::{App, Error};
use transom_http::error::log;
use transom_http::refusal::Reason;

/// The delay in seconds until a rate-limited caller may retry.
const WAIT: u32 = 1;

/// The form of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Nova, with the identity middleware in front of it.
    Nova,
    /// Rackspace's Nova.
    Rackspace,
    /// Keystone v3.
    Keystone,
    /// Keystone v2.0.
    KeystoneV2,
}

impl Style {
    pub(super) fn of(path: &RequestPath) -> Self {
        match (path.service, path.version) {
            (Service::Identity, Version::V20) => Self::KeystoneV2,
            (Service::Identity, _) => Self::Keystone,
            (Service::Compute, Version::V2) => Self::Rackspace,
            (Service::Compute, _) => Self::Nova,
        }
    }
}

/// A fault to be sent as a response.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    message: String,
    /// The reason for the log and the audit, if the message says less or repeats a value.
    reason: Option<Box<Cow<'static, str>>>,
    retry_after: bool,
    allow: Option<&'static str>,
    cause: Option<Error>,
}

/// The subject of a call, which OpenStack's sentences name.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// The policy of the operation.
    pub(super) policy: &'static str,
    /// The server's id, as it was sent.
    pub(super) server: &'a str,
    /// OpenStack's name of the operation.
    pub(super) operation: &'static str,
}

impl Fault {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), reason: None, retry_after: false, allow: None, cause: None }
    }

    /// 400
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Adds a reason for the log and the audit. It must not repeat a value that was sent, since one
    /// may be a secret.
    #[must_use]
    pub(super) fn because(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Some(Box::new(reason.into())), ..self }
    }

    /// 400 with OpenStack's generic sentence.
    pub(super) fn generic() -> Self {
        Self::bad_request(
            "The server could not comply with the request since it is either malformed or otherwise incorrect.",
        )
    }

    /// 401
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.")
    }

    /// 403
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "The resource could not be found.")
    }

    /// 404 with a sentence of its own.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 405: the resource exists but does not take this method.
    pub(super) fn bad_method(allow: &'static str) -> Self {
        let message = "The method specified is not allowed for this resource.";
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message) }
    }

    /// 406: the microversion does not exist.
    pub(super) fn not_acceptable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, message)
    }

    /// 413: the request is too large.
    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Request is too large.")
    }

    /// 415
    pub(super) fn media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Content-Type")
    }

    /// 503
    pub(super) fn unavailable() -> Self {
        let message = "The service is unavailable. Try again in a moment.";
        Self { retry_after: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// 500
    pub(super) fn internal() -> Self {
        let message = "Unexpected API Error. Please contact the administrator";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Turns a use case's error into a fault.
    pub(super) fn of(error: Error, about: About<'_>) -> Self {
        let server = about.server;
        match error {
            Error::Unauthenticated(_) => Self::unauthorized(),
            Error::RateLimited => {
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                Self { retry_after: true, ..Self::new(status, "OverLimit Retry...") }
            }
            Error::Forbidden { .. } => {
                Self::forbidden(format!("Policy doesn't allow {} to be performed.", about.policy))
            }
            Error::NotFound("instance") => Self::missing(format!("Instance {server} could not be found.")),
            Error::NotFound("token") => Self::missing("Token not found"),
            Error::NotFound(_) => Self::not_found(),
            Error::Conflict(message) => Self::new(StatusCode::CONFLICT, message),
            Error::Stale => Self::new(StatusCode::CONFLICT, "The resource was changed meanwhile."),
            Error::Invalid { .. } | Error::Malformed(_) | Error::Rows { .. } => {
                Self::bad_request(error.to_string())
            }
            Error::InstanceStatus(status) => Self::new(StatusCode::CONFLICT, state(status, about)),
            Error::End(end) if end.reason == EndReason::InstanceRemoved => {
                Self::missing(format!("Instance {server} could not be found."))
            }
            Error::End(end) if end.reason == EndReason::CloudUnavailable => Self::unavailable(),
            Error::End(end) => {
                let status = StatusCode::from_u16(end.reason.http_status());
                Self::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), end.sentence())
            }
            Error::Unavailable(_) => Self { cause: Some(error), ..Self::unavailable() },
            Error::Internal(_) => Self { cause: Some(error), ..Self::internal() },
        }
    }

    /// Builds the answer. The cause of a 5xx is logged, and the answer does not contain it.
    pub(super) fn render(self, style: Style, app: &App, request: &RequestId) -> Response {
        if let Some(cause) = &self.cause {
            log(cause, request);
        }
        let mut response = reply::json(self.status, &self.body(style));
        if self.status == StatusCode::BAD_REQUEST {
            response
                .extensions_mut()
                .insert(Reason(self.reason.map_or_else(|| self.message.into(), |reason| *reason)));
        }
        let headers = response.headers_mut();
        if self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(WAIT));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let base = app.public_url().as_str().trim_end_matches('/');
            let value = HeaderValue::from_str(&format!("Keystone uri=\"{base}/identity\""));
            headers.extend(value.map(|value| (WWW_AUTHENTICATE, value)));
        }
        response
    }

    fn body(&self, style: Style) -> Value {
        let code = self.status.as_u16();
        // The identity middleware in front of Nova answers in Keystone's form.
        if style == Style::Keystone || (style == Style::Nova && self.status == StatusCode::UNAUTHORIZED) {
            let title = self.status.canonical_reason().unwrap_or("Error");
            return json!({ "error": { "code": code, "title": title, "message": self.message } });
        }
        let mut fault = json!({ "code": code, "message": self.message });
        if self.retry_after && self.status == StatusCode::PAYLOAD_TOO_LARGE {
            let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(WAIT.into());
            fault["details"] = "Too many failed attempts from this address.".into();
            fault["retryAt"] = format!("{at:.0}").into();
            fault["retryAfter"] = WAIT.to_string().into();
        }
        json!({ self.name(style): fault })
    }

    fn name(&self, style: Style) -> &'static str {
        match self.status.as_u16() {
            400 => "badRequest",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "itemNotFound",
            405 => "badMethod",
            409 => "conflictingRequest",
            413 | 429 => "overLimit",
            415 => "badMediaType",
            501 => "notImplemented",
            503 => "serviceUnavailable",
            _ if style == Style::KeystoneV2 => "identityFault",
            _ => "computeFault",
        }
    }
}

/// Nova's name of the operation that opens a console. Only this operation reports a server that is
/// still being built as not ready.
pub(super) const CONSOLE: &str = "get_vnc_console";

/// Nova's sentence for a server whose state forbids an operation.
fn state(status: InstanceStatus, about: About<'_>) -> String {
    use InstanceStatus::{Building, Failed, Recycled, Running, Stopped};
    let About { server, operation, .. } = about;
    let (kind, state) = super::compute::states(status);
    match status {
        Building if operation == CONSOLE => format!("Instance {server} is not ready"),
        Building | Stopped | Recycled | Failed | Running => {
            format!("Cannot '{operation}' instance {server} while it is in vm_state {kind}")
        }
        _ => format!(
            "Cannot '{operation}' instance {server} while it is in task_state {}",
            state.unwrap_or_default()
        ),
    }
}
