//! Who calls: the `Authorization` header, a signature or a token.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use transom_model::secret::Secret;

use super::fault::{Code, Fault};
use super::operation::only;
use super::signature::Signed;
use transom_app::access::caller::{Attempt, Proof};
use transom_app::{App, Caller, Error};

/// How far a caller's clock may be off, in seconds; 300 itself passes.
const SKEW: u64 = 300;

/// A time that lies as far ahead as it may is refused so much later, and a minute for clocks that differ between nodes.
const KEEP: Duration = Duration::from_secs(2 * SKEW + 60);

/// What a caller shows.
pub(super) enum Authorization {
    /// `ZC2-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
    Signed(Signed),
    /// `Bearer …`: nothing is signed and there is no timestamp.
    Bearer(Secret),
}

impl Authorization {
    /// Reads the headers; whatever about them is not in the standard form is the same failure.
    pub(super) fn read(parts: &Parts) -> Result<Self, Fault> {
        let malformed = || {
            Fault::new(
                Code::InvalidAuthorization,
                "The Authorization header must be `ZC2-HMAC-SHA256 Credential=…, SignedHeaders=content-type;host, \
                 Signature=…` with an X-ZC-Timestamp in seconds, or `Bearer …`; it and each signed header once.",
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

    /// A signature is good for a few minutes around its time.
    pub(super) fn check_time(&self, now: i64) -> Result<(), Fault> {
        match self {
            Self::Signed(signed) if signed.at.abs_diff(now) > SKEW => Err(Fault::new(
                Code::SignatureExpired,
                format!("X-ZC-Timestamp is more than {SKEW} seconds away from this service's clock."),
            )),
            _ => Ok(()),
        }
    }
}

/// Whose signature it is. An unknown key fails like a wrong one.
pub(super) async fn signer(
    app: &App,
    signed: &Signed,
    attempt: Attempt<'_>,
    method: &str,
    body: &[u8],
) -> Result<Caller, Fault> {
    let texts = signed.texts(method, body);
    let proves = |secret: &Secret| signed.is_by(secret, &texts);
    let caller = app.access.authenticate_by(&signed.key, proves, attempt).await?;
    if app.config().zenlayer.reject_replays && !app.access.is_first_use(signed.digest(), KEEP).await? {
        let replayed = Error::Unauthenticated("the signature was used before");
        return Err(match app.access.failed_proof(attempt, Some(&signed.key), replayed) {
            Error::Unauthenticated(_) => Fault::new(
                Code::SignatureExpired,
                "The signature was used before: each is for one call here. Sign again, with the time of now.",
            ),
            error => error.into(),
        });
    }
    Ok(caller)
}

/// Demands that there is a key of the signature's name: nothing else of a signature can be judged before the body is there.
pub(super) async fn check_key(app: &App, signed: &Signed, attempt: Attempt<'_>) -> Result<(), Fault> {
    Ok(app.access.demand_key(&signed.key, attempt).await?)
}

/// Whose token it is.
pub(super) async fn bearer(app: &App, token: &Secret, attempt: Attempt<'_>) -> Result<Caller, Fault> {
    let proof = Proof::Token(token.clone());
    app.access.authenticate(&proof, attempt).await.map_err(|error| match error {
        Error::Unauthenticated(_) => {
            Fault::new(Code::InvalidAuthorization, "The bearer token is not valid, or no longer.")
        }
        error => error.into(),
    })
}
