//! Who calls: `Authorization: Bearer` with the operator's token or an API token, or `Basic` with an access key's id and secret.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde::de::DeserializeOwned;
use transom_model::id::RequestId;
use transom_model::secret::Secret;

use crate::app::caller::Proof;
use crate::app::{App, Call, Error};
use crate::http::Id;
use crate::http::error::Failure;
use crate::http::source::Source;

/// An authenticated call, as an argument of a handler.
#[derive(Debug)]
pub(super) struct Caller(pub(super) Call);

impl Caller {
    /// A failure of this call.
    pub(super) fn failed(&self, error: impl Into<Error>) -> Failure {
        Failure::new(error, &self.0.request)
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let Ok(Id(request)) = Id::from_request_parts(parts, app).await;
        let Ok(source) = Source::from_request_parts(parts, app).await;
        let proof = proof(parts).map_err(|error| Failure::new(error, &request))?;
        match app.authenticate(&proof, source.address).await {
            Ok(caller) => Ok(Self(Call { caller, request })),
            Err(error) => Err(Failure::new(error, &request)),
        }
    }
}

fn proof(parts: &Parts) -> Result<Proof, Error> {
    const HOW: &str = "send Authorization: Bearer with the operator's token or an API token, or Basic with access key id and secret";
    let value = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, rest) = value.and_then(|value| value.split_once(' ')).ok_or(Error::Unauthenticated(HOW))?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Proof::Token(Secret::new(rest.trim())));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((id, secret)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) {
            return Ok(Proof::KeySecret(id.to_owned(), Secret::new(secret)));
        }
    }
    Err(Error::Unauthenticated(HOW))
}

/// A JSON body that says what is wrong with it in our own form.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let id = request.extensions().get::<RequestId>().cloned();
        match axum::Json::<T>::from_request(request, app).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(rejected(rejection, id)),
        }
    }
}

fn rejected(rejection: JsonRejection, id: Option<RequestId>) -> Response {
    let Some(id) = id else { return rejection.into_response() };
    let problem = match &rejection {
        // Too large: the status says it.
        JsonRejection::BytesRejection(_) => return rejection.into_response(),
        // The cause names the member and what is wrong with it; who wrote the body has no use for the words around it.
        JsonRejection::JsonDataError(error) => {
            let cause = cause(error);
            cause.rsplit_once(" at line ").map_or(cause.clone(), |(problem, _)| problem.to_owned())
        }
        JsonRejection::JsonSyntaxError(error) => format!("is not JSON: {}", cause(error)),
        _ => rejection.body_text(),
    };
    Failure::new(Error::invalid("body", problem), &id).into_response()
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    // The path to the member stands in the second to last.
    while let Some(deeper) = deepest.source().filter(|deeper| deeper.source().is_some()) {
        deepest = deeper;
    }
    deepest.to_string()
}

/// Query parameters that say what is wrong with them in our own form.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let Ok(Id(request)) = Id::from_request_parts(parts, app).await;
        let query: Result<_, QueryRejection> =
            axum::extract::Query::<T>::from_request_parts(parts, app).await;
        match query {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                Err(Failure::new(Error::invalid("query", rejection.body_text()), &request).into_response())
            }
        }
    }
}

/// A well-formed id from a path; a malformed one names nothing.
pub(super) fn id<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::NotFound(what))
}
