//! Authentication: `Authorization: Bearer` with the operator's token or an API token, or `Basic`
//! with an access key's id and secret.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use transom_model::access_key::{AccessKeyId, Role};
use transom_model::dialect::Dialect;
use transom_model::id::ParseIdError;
use transom_model::secret::Secret;

use super::queries;
use transom_app::access::caller::{Attempt, Proof};
use transom_app::{App, Call, Error};
use transom_http::Id;
use transom_http::error::Failure;
use transom_http::refusal::set_call;
use transom_http::source::Source;
use transom_http::unproved::proved;

/// An authenticated call, as an argument of a handler.
#[derive(Debug)]
pub(super) struct Caller(pub(super) Call);

impl Caller {
    /// Creates a failure of this call.
    pub(super) fn failed(&self, error: impl Into<Error>) -> Failure {
        Failure::new(error, &self.0.request).to_manager(self.0.caller.need(Role::Admin).is_ok())
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let Ok(Id(request)) = Id::from_request_parts(parts, app).await;
        let Ok(source) = Source::from_request_parts(parts, app).await;
        let proof = proof(&parts.headers).map_err(|error| Failure::new(error, &request))?;
        let attempt = Attempt { source: source.address, request: &request };
        match app.access.authenticate(&proof, attempt).await {
            Ok(caller) => {
                proved(&parts.extensions);
                let caller = Self(Call {
                    caller,
                    dialect: Dialect::Api,
                    request,
                    origin: source.origin(&parts.headers),
                });
                set_call(&parts.extensions, &caller.0);
                queries::check(parts).map_err(|error| caller.failed(error))?;
                Ok(caller)
            }
            Err(error) => Err(Failure::new(error, &request)),
        }
    }
}

/// Returns the proof in the headers.
pub(super) fn proof(headers: &HeaderMap) -> Result<Proof, Error> {
    const HOW: &str = "send Authorization: Bearer with the operator's token or an API token, or Basic with an access key's id and secret";
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
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

/// Parses an id in a path. A malformed id is not found.
pub(super) fn id<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::NotFound(what))
}

const MISTYPED: &str = "the access key id has a typo (its checksum does not match), so the key was";

/// Parses an access key's id in a path, a query or a body. A typo is reported. An id with a wrong
/// checksum is well-formed but belongs to no key.
pub(super) fn key_id(text: &str) -> Result<AccessKeyId, Error> {
    text.parse().map_err(|error: ParseIdError| {
        if AccessKeyId::has_form(text) {
            Error::NotFound(MISTYPED)
        } else {
            Error::Malformed(format!("the {error}"))
        }
    })
}
