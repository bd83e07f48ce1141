//! Authentication: an `Authorization` header with a signature or a token.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use transom_model::secret::Secret;

use super::error::{ApiError, Code};
use super::operation::only;
use super::signature::Signed;
use transom_app::access::caller::{Attempt, Proof};
use transom_app::{App, Caller, Error};

/// The maximum difference of the caller's clock in seconds, inclusive.
const SKEW: u64 = 300;

/// The time for which a used signature is remembered. A signature with the latest valid timestamp
/// expires after twice the skew. The minute covers clocks that differ between nodes.
const KEEP: Duration = Duration::from_secs(2 * SKEW + 60);

/// The credential of a call.
pub(super) enum Authorization {
    /// `ZC2-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
    Signed(Signed),
    /// `Bearer …`: no signature and no timestamp.
    Bearer(Secret),
}

impl Authorization {
    /// Reads the headers. Any deviation from the standard form is the same failure.
    pub(super) fn read(parts: &Parts) -> Result<Self, ApiError> {
        let malformed = || {
            ApiError::new(
                Code::InvalidAuthorization,
                "The Authorization header must be `ZC2-HMAC-SHA256 Credential=…, SignedHeaders=content-type;host, \
                 Signature=…` with an X-ZC-Timestamp in seconds, or `Bearer …`. Send it and each signed header exactly once.",
            )
        };
        let (scheme, rest) = only(parts, AUTHORIZATION.as_str())
            .and_then(|value| value.split_once(' '))
            .ok_or_else(malformed)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Ok(Self::Bearer(Secret::new(rest)));
        }
        if scheme == super::signature::METHOD {
            return Signed::read(rest, parts).map(Self::Signed).ok_or_else(malformed);
        }
        Err(malformed())
    }

    /// Checks that the timestamp of a signature is near the present.
    pub(super) fn check_time(&self, now: i64) -> Result<(), ApiError> {
        match self {
            Self::Signed(signed) if signed.at.abs_diff(now) > SKEW => Err(ApiError::new(
                Code::SignatureExpired,
                format!("X-ZC-Timestamp is more than {SKEW} seconds away from this service's clock."),
            )),
            _ => Ok(()),
        }
    }
}

/// Authenticates a signature. An unknown key fails like a wrong one.
pub(super) async fn signer(
    app: &App,
    signed: &Signed,
    attempt: Attempt<'_>,
    method: &str,
    body: &[u8],
) -> Result<Caller, ApiError> {
    let texts = signed.texts(method, body);
    let proves = |secret: &Secret| signed.is_by(secret, &texts);
    let caller = app.access.authenticate_by(&signed.key, proves, attempt).await?;
    if app.config().zenlayer.reject_replays && !app.access.is_first_use(signed.digest(), KEEP).await? {
        let replayed = Error::Unauthenticated("the signature was already used");
        return Err(match app.access.failed_proof(attempt, Some(&signed.key), replayed) {
            Error::Unauthenticated(_) => ApiError::new(
                Code::SignatureExpired,
                "The signature was already used, and each is valid for one call. Sign again with the present time.",
            ),
            error => error.into(),
        });
    }
    Ok(caller)
}

/// Checks that the key of the signature exists. Nothing else of a signature can be judged before
/// the body is read.
pub(super) async fn check_key(app: &App, signed: &Signed, attempt: Attempt<'_>) -> Result<(), ApiError> {
    Ok(app.access.demand_key(&signed.key, attempt).await?)
}

/// Authenticates a token.
pub(super) async fn bearer(app: &App, token: &Secret, attempt: Attempt<'_>) -> Result<Caller, ApiError> {
    let proof = Proof::Token(token.clone());
    app.access.authenticate(&proof, attempt).await.map_err(|error| match error {
        Error::Unauthenticated(_) => {
            ApiError::new(Code::InvalidAuthorization, "The bearer token is not valid.")
        }
        error => error.into(),
    })
}
