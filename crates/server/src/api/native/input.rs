//! What a request says, in its body or its query; and what is wrong with it, in our own form.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;
use transom_model::api::{ErrorBody, ErrorDetail};
use transom_model::id::RequestId;

use crate::app::{App, Error};
use crate::http::Id;
use crate::http::error::Failure;
use crate::http::object::Object;

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
        _ => Error::Malformed(rejection.body_text()),
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

/// The cause names the member and what is wrong with it; who wrote the request has no use for the words around it.
fn cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    // The path to the member stands in the second to last.
    while let Some(deeper) = deepest.source().filter(|deeper| deeper.source().is_some()) {
        deepest = deeper;
    }
    deepest.to_string()
}

/// serde's words for a value that does not fit (`member: invalid type: sequence, expected a string at line 1 column 2`),
/// as we say it.
fn misfit(cause: &str) -> Error {
    let cause = cause.rsplit_once(" at line ").map_or(cause, |(cause, _)| cause);
    let (member, problem) = match cause.split_once(": ") {
        Some((member, problem)) if !member.contains(' ') => (Some(member), problem),
        _ => (None, cause),
    };
    let wrong = ["invalid type: ", "invalid value: "].iter().find_map(|words| problem.strip_prefix(words));
    let said = match wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) {
        Some((found, wanted)) => format!("must be {wanted}, not {}", in_json(found)),
        None => problem.to_owned(),
    };
    match member {
        Some(member) => Error::invalid(member.to_owned(), said),
        None if wrong.is_some() => Error::Malformed(format!("the body {said}")),
        None => Error::Malformed(said),
    }
}

/// serde's word for what it found, in JSON's words.
fn in_json(found: &str) -> &str {
    match found {
        "sequence" => "an array",
        "map" => "an object",
        other => other,
    }
}
