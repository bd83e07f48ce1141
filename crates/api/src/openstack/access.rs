//! Authentication: `X-Auth-Token` with a token, or `Authorization: Basic` with an access key's id
//! and secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use transom_model::dialect::Dialect;
use transom_model::secret::Secret;

use super::fault::{About, Fault};
use super::request::ApiRequest;
use transom_app::access::caller::Proof;
use transom_app::{Call, Error};
use transom_http::refusal::set_call;
use transom_http::unproved::proved;

/// The header that carries a token.
pub(super) const AUTH_TOKEN: &str = "x-auth-token";

/// Authenticates the caller of an operation with this policy.
pub(super) async fn caller(request: &ApiRequest<'_>, policy: &'static str) -> Result<Call, Fault> {
    let about = About { policy, server: "", operation: "" };
    let proof = proof(&request.headers).ok_or_else(Fault::unauthorized)?;
    let call = identify(request, &proof).await.map_err(|error| Fault::of(error, about))?;
    proved(&request.extensions);
    set_call(&request.extensions, &call);
    Ok(call)
}

/// Authenticates a proof.
pub(super) async fn identify(request: &ApiRequest<'_>, proof: &Proof) -> Result<Call, Error> {
    let caller = request.app.existing_cloud.authenticate_or_ask(proof, request.attempt()).await?;
    Ok(Call {
        caller,
        dialect: Dialect::Openstack,
        request: request.id.clone(),
        origin: request.source.origin(&request.headers),
    })
}

fn proof(headers: &HeaderMap) -> Option<Proof> {
    if let Some(token) = single(headers, AUTH_TOKEN)? {
        return Some(Proof::Token(Secret::new(token)));
    }
    let (scheme, rest) = single(headers, AUTHORIZATION.as_str())??.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Proof::Token(Secret::new(rest.trim())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some(Proof::KeySecret(id.to_owned(), Secret::new(secret)))
}

/// A header that must not be repeated. Returns `None` if it is repeated or not text.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).into_iter();
    let first = values.next().map(|value| value.to_str());
    match (first, values.next()) {
        (None, _) => Some(None),
        (Some(Ok(value)), None) => Some(Some(value)),
        _ => None,
    }
}
