//! Errors: the table of Zenlayer's codes, and the conversion of use cases' errors.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use transom_model::EndReason;
use transom_model::id::RequestId;

use super::reply::JSON;
use transom_app::Error;
use transom_http::body::BodyError;
use transom_http::error::log;
use transom_http::refusal::Reason;

/// The delay in seconds until a rejected caller may retry.
const WAIT: HeaderValue = HeaderValue::from_static("1");

macro_rules! codes {
    ($($variant:ident = $status:ident $word:literal;)+) => {
        /// Zenlayer's error codes that Transom may answer, each with its HTTP status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code { $($variant,)+ }

        impl Code {
            pub(super) fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub(super) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }
        }
    };
}

codes! {
    InvalidAuthorization = UNAUTHORIZED "AUTHFAILURE_INVALID_AUTHORIZATION";
    SignatureExpired = UNAUTHORIZED "AUTHFAILURE_SIGNATURE_EXPIRED";
    SignatureFailure = UNAUTHORIZED "AUTHFAILURE_SIGNATURE_FAILURE";
    UnauthorizedOperation = UNAUTHORIZED "AUTHFAILURE_UNAUTHORIZED_OPERATION";
    RequestLimitExceeded = TOO_MANY_REQUESTS "REQUEST_LIMIT_EXCEEDED";
    MissingParameter = BAD_REQUEST "MISSING_PARAMETER";
    ParameterType = BAD_REQUEST "INVALID_PARAMETER_TYPE";
    ParameterExceedMaximum = BAD_REQUEST "INVALID_PARAMETER_EXCEED_MAXIMUM";
    ParameterLessMinimum = BAD_REQUEST "INVALID_PARAMETER_LESS_MINIMUM";
    ParameterExceedLength = BAD_REQUEST "INVALID_PARAMETER_EXCEED_LENGTH";
    ParameterValue = BAD_REQUEST "INVALID_PARAMETER_VALUE";
    InstanceNotFound = NOT_FOUND "INVALID_INSTANCE_NOT_FOUND";
    InstanceStatus = BAD_REQUEST "OPERATION_DENIED_INSTANCE_STATUS_NOT_SUPPORT";
    ResourceNotFound = NOT_FOUND "OPERATION_FAILED_RESOURCE_NOT_FOUND";
    InternalServerError = INTERNAL_SERVER_ERROR "INTERNAL_SERVER_ERROR";
    Unavailable = SERVICE_UNAVAILABLE "SERVICE_TEMPORARY_UNAVAILABLE";
    TimedOut = SERVICE_UNAVAILABLE "REQUEST_TIMED_OUT";
}

/// An error to be sent as a response. The sentence is Transom's own, since Zenlayer's clients judge
/// by the code.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) code: Code,
    message: Cow<'static, str>,
    /// The cause, for the log alone.
    cause: Option<Error>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "requestId")]
    request: &'a RequestId,
    code: &'static str,
    message: &'a str,
}

impl ApiError {
    pub(super) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), cause: None }
    }

    /// The error for an unknown service, version, action or method, and for one that the caller may
    /// not use.
    pub(super) fn no_operation() -> Self {
        Self::new(
            Code::UnauthorizedOperation,
            "Not authorized for this operation: check that the service, X-ZC-Version and X-ZC-Action exist and that the \
             access key has the permission.",
        )
    }

    /// The error at the limit of concurrent calls.
    pub(super) fn busy() -> Self {
        Self::new(Code::Unavailable, "The service is busy; try again in a moment.")
    }

    /// Logs the reason of a refusal. The cause of a 5xx is logged with the answer, and that of a
    /// 400 by `refusals`.
    pub(super) fn tell(&self, request: &RequestId) {
        if self.cause.is_none() && self.code.status() != StatusCode::BAD_REQUEST {
            let (code, error) = (self.code.word(), &*self.message);
            tracing::info!(%request, code, error, "a call to /api/v2 was refused");
        }
    }

    /// Builds the answer to the request of this id.
    pub(super) fn response(self, request: &RequestId) -> Response {
        let Self { code, message, cause } = self;
        let status = code.status();
        if let Some(cause) = cause {
            log(&cause, request);
        }
        let body = Body { request, code: code.word(), message: &message };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::BAD_REQUEST {
            response.extensions_mut().insert(Reason(format!("{}: {message}", code.word()).into()));
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, WAIT);
        }
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match &error {
            Error::Unauthenticated(_) => Self::new(
                Code::SignatureFailure,
                "The signature does not match: check the access key id, its secret, and that nothing on the way \
                 changed Host, Content-Type or the body.",
            ),
            Error::RateLimited => {
                Self::new(Code::RequestLimitExceeded, "Too many failed authentications from this address.")
            }
            Error::Forbidden { .. } => Self::no_operation(),
            Error::NotFound("instance") => Self::new(Code::InstanceNotFound, "The instance was not found."),
            Error::NotFound(what) => Self::new(Code::ResourceNotFound, format!("The {what} was not found.")),
            Error::InstanceStatus(status) => Self::new(
                Code::InstanceStatus,
                format!("The instance is {status}; a console needs it to be running."),
            ),
            Error::Conflict(_)
            | Error::Stale
            | Error::Invalid { .. }
            | Error::Malformed(_)
            | Error::Rows { .. } => Self::new(Code::ParameterValue, error.to_string()),
            Error::End(end) => match end.reason {
                EndReason::RateLimited => Self::new(Code::RequestLimitExceeded, end.to_string()),
                EndReason::StoreUnavailable => Self::busy(),
                _ => Self::new(Code::Unavailable, end.to_string()),
            },
            Error::Unavailable(_) => Self { cause: Some(error), ..Self::busy() },
            Error::Internal(_) => Self {
                cause: Some(error),
                ..Self::new(
                    Code::InternalServerError,
                    "An internal error occurred. The request id finds it in the server's log.",
                )
            },
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(
                Code::ParameterExceedLength,
                format!("The body is larger than {} bytes.", transom_http::limits::SIGNED_BODY),
            ),
            BodyError::Broken => Self::new(Code::ParameterType, "The body broke off."),
        }
    }
}
