//! Failures over HTTP in Transom's own form: a status, a code, a sentence, and what to do next.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use transom_model::api::{ErrorBody, ErrorDetail, WrongRowBody};
use transom_model::end_reason::EndReason;
use transom_model::id::RequestId;

use super::refusal::Reason;
use transom_app::Error;
use transom_app::error::WrongRow;

/// The delay in seconds until an overloaded or rate-limited caller may retry.
const WAIT: HeaderValue = HeaderValue::from_static("1");

/// The most wrong rows of an import that an answer lists.
const ROWS: usize = 100;

/// The header with the reason why a WebSocket was refused: a code, a colon and a sentence. The body
/// cannot hold it, since the client takes bytes after the headers for frames.
pub(crate) const REFUSAL: HeaderName = HeaderName::from_static("x-refusal");

/// An error to be sent as a response.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    request: RequestId,
    manager: bool,
}

impl Failure {
    /// Creates a failure from a use case's error, for the request with this id.
    pub fn new(error: impl Into<Error>, request: &RequestId) -> Self {
        Self { error: error.into(), request: request.clone(), manager: false }
    }

    /// Sets whether the response has the details for managers of the machine. Viewers do not get
    /// them.
    #[must_use]
    pub fn to_manager(self, manager: bool) -> Self {
        Self { manager, ..self }
    }

    /// Returns a response of status and headers alone, for a client that requested a WebSocket.
    pub fn of_upgrade(self) -> Response {
        without_body(self.into_response())
    }

    fn told(self) -> (StatusCode, HeaderMap, ErrorDetail) {
        let Self { error, request, manager } = self;
        log(&error, &request);
        let (status, detail) = describe(&error, &request, manager);
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, WAIT);
        }
        if matches!(error, Error::Unauthenticated(_)) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer, Basic realm=\"transom\""));
        }
        (status, headers, detail)
    }
}

/// Refuses a WebSocket. No byte follows the headers.
pub fn refused_upgrade(status: StatusCode, why: &str) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(Told(why.to_owned()));
    without_body(response)
}

/// The reason of a response, as its extension. It remains when the body is removed.
#[derive(Clone)]
struct Told(String);

/// Turns a refusal into one for a client that requested a WebSocket: status and headers alone, with
/// the reason among them. The connection closes after it.
pub fn without_body(mut response: Response) -> Response {
    *response.body_mut() = Body::empty();
    let told = response.extensions_mut().remove::<Told>();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    // A reason that is not a valid header value is left out.
    let why = told.and_then(|Told(why)| HeaderValue::from_bytes(why.as_bytes()).ok());
    headers.extend(why.map(|why| (REFUSAL, why)));
    response
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, headers, error) = self.told();
        let reason = (status == StatusCode::BAD_REQUEST).then(|| Reason(error.message.clone().into()));
        let told = Told(format!("{}: {}", error.code, error.message));
        let mut response = (status, headers, Json(ErrorBody { error })).into_response();
        response.extensions_mut().insert(told);
        if let Some(reason) = reason {
            response.extensions_mut().insert(reason);
        }
        response
    }
}

/// Logs the cause of a 5xx response, which does not contain it.
pub fn log(error: &Error, request: &RequestId) {
    match error {
        Error::Internal(cause) => tracing::error!(%request, error = %cause, "request failed"),
        Error::Unavailable(cause) if error.is_news() => {
            tracing::warn!(%request, error = %cause, "the store is unavailable");
        }
        _ => {}
    }
}

fn describe(error: &Error, request: &RequestId, manager: bool) -> (StatusCode, ErrorDetail) {
    if let Some(end) = error.as_end() {
        let status =
            StatusCode::from_u16(end.reason.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let told = if manager { ErrorDetail::for_manager } else { ErrorDetail::of_end };
        return (status, told(&end, request));
    }
    let (status, code) = match error {
        Error::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        Error::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not-found"),
        Error::Stale => (StatusCode::PRECONDITION_FAILED, "stale"),
        Error::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        Error::Malformed(_) | Error::Invalid { .. } | Error::Rows { .. } => {
            (StatusCode::BAD_REQUEST, "invalid")
        }
        // These have end reasons.
        Error::End(_)
        | Error::InstanceStatus(_)
        | Error::RateLimited
        | Error::Unavailable(_)
        | Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, EndReason::InternalError.code()),
    };
    let rows = match error {
        Error::Rows { wrong, .. } => Some(wrong.iter().take(ROWS).map(wrong_row).collect()),
        _ => None,
    };
    (status, ErrorDetail { rows, ..ErrorDetail::plain(code, error.to_string(), request) })
}

fn wrong_row(wrong: &WrongRow) -> WrongRowBody {
    let WrongRow { row, member, problem } = wrong;
    WrongRowBody { row: *row as u64, member: member.clone(), message: problem.clone() }
}
