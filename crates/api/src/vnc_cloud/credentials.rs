//! Basic authentication (RFC 7617) with an access key's id and secret.

use axum::extract::FromRequestParts as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;
use transom_model::access_key::{AccessKeyId, Role};
use transom_model::dialect::Dialect;
use transom_model::secret::Secret;

use super::answer::Refusal;
use transom_app::access::caller::{Attempt, Proof};
use transom_app::devices::cloud_addresses::AddressCall;
use transom_app::{App, Call};
use transom_http::Id;
use transom_http::refusal::set_call;
use transom_http::source::Source;
use transom_http::unproved::proved;

/// An authenticated call, and the key that owns the addresses.
pub(super) struct Authenticated {
    pub(super) key: AccessKeyId,
    pub(super) call: AddressCall,
}

/// Authenticates the key. A malformed key is 403 before any lookup; every other problem is 401.
pub(super) async fn authenticate(app: &App, parts: &Parts, changes: bool) -> Result<Authenticated, Refusal> {
    let (key, secret) = basic(parts).ok_or_else(Refusal::unauthorized)?;
    let key: AccessKeyId = key.parse().map_err(|_| Refusal::of(StatusCode::FORBIDDEN))?;
    let mut parts = parts.clone();
    let Ok(Id(request)) = Id::from_request_parts(&mut parts, &()).await;
    let Ok(source) = Source::from_request_parts(&mut parts, &()).await;
    let proof = Proof::KeySecret(key.to_string(), secret);
    let caller =
        app.access.authenticate(&proof, Attempt { source: source.address, request: &request }).await?;
    proved(&parts.extensions);
    let call = Call { caller, dialect: Dialect::VncCloud, request, origin: source.origin(&parts.headers) };
    set_call(&parts.extensions, &call);
    if changes {
        call.caller.need(Role::Member)?;
    }
    let call = AddressCall::of_key(call, key.clone());
    Ok(Authenticated { key, call })
}

fn basic(parts: &Parts) -> Option<(String, Secret)> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (key, secret) = decoded.split_once(':')?;
    (!key.is_empty()).then(|| (key.to_owned(), Secret::new(secret)))
}
