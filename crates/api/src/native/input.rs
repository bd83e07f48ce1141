//! The body, the query and the path of a request, and the errors about them.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use transom_model::api::{ErrorBody, ErrorDetail};
use transom_model::id::RequestId;

use transom_app::{App, Error};
use transom_http::Id;
use transom_http::error::Failure;
use transom_http::misfit::misfit;
use transom_http::object::Object;

/// A body that is a JSON object.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let id = request.extensions().get::<RequestId>().cloned();
        match axum::Json::<Object<T>>::from_request(request, app).await {
            Ok(axum::Json(Object(body))) => Ok(Self(body)),
            Err(rejection) => Err(rejected(rejection, id)),
        }
    }
}

fn rejected(rejection: JsonRejection, id: Option<RequestId>) -> Response {
    let Some(id) = id else { return rejection.into_response() };
    let error = match &rejection {
        JsonRejection::BytesRejection(_) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let error = ErrorDetail::plain("too-large", "the body is too large".to_owned(), &id);
            return (StatusCode::PAYLOAD_TOO_LARGE, Json(ErrorBody { error })).into_response();
        }
        JsonRejection::JsonDataError(error) => misfit(&cause(error)),
        JsonRejection::JsonSyntaxError(error) => {
            Error::Malformed(format!("the body is not JSON: {}", cause(error)))
        }
        JsonRejection::MissingJsonContentType(_) => {
            Error::Malformed("the body must come with Content-Type: application/json".to_owned())
        }
        JsonRejection::BytesRejection(_) => Error::Malformed(rejection.body_text()),
        // The list of reasons may grow.
        _ => Error::internal(rejection.body_text()),
    };
    Failure::new(error, &id).into_response()
}

/// Query parameters.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let Ok(Id(request)) = Id::from_request_parts(parts, app).await;
        let query: Result<_, QueryRejection> =
            axum::extract::Query::<T>::from_request_parts(parts, app).await;
        match query {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Failure::new(misfit(&cause(&rejection)), &request).into_response()),
        }
    }
}

/// The parameters of a path. A segment that is not UTF-8 is not found.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let Ok(Id(request)) = Id::from_request_parts(parts, app).await;
        let path = axum::extract::Path::<T>::from_request_parts(parts, app).await;
        path.map(|axum::extract::Path(path)| Self(path))
            .map_err(|_| Failure::new(Error::NotFound("path"), &request))
    }
}

/// A whole number between two bounds, in a query or a header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<const LEAST: i64, const MOST: i64>(pub(super) i64);

impl<const LEAST: i64, const MOST: i64> FromStr for Number<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Rust would also accept a plus sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| digits && (LEAST..=MOST).contains(number));
        number.map(Self).ok_or_else(|| format!("must be a whole number from {LEAST} to {MOST}"))
    }
}

impl<'de, const LEAST: i64, const MOST: i64> Deserialize<'de> for Number<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Returns the innermost description of an error. It names the member and the problem, without
/// axum's words around it.
fn cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    // The second-to-last error has the path to the member.
    while let Some(deeper) = deepest.source().filter(|deeper| deeper.source().is_some()) {
        deepest = deeper;
    }
    deepest.to_string()
}
