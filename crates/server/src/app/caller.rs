//! Who calls: the operator, or the holder of an access key; and how often somebody may guess.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota};
use transom_model::access_key::{AccessKey, AccessKeyId, Role};
use transom_model::audit::Actor;
use transom_model::end_reason::End;
use transom_model::grant::MadeWith;
use transom_model::id::{ProjectId, RequestId};
use transom_model::secret::{Secret, TokenDigest};
use transom_model::{EndReason, Timestamp};
use uuid::Uuid;

use super::App;
use super::error::{Error, Needed, Result};
use super::network::{self, Network};
use super::vault::Purpose;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The holder of the operator's token: above projects.
    Operator,
    /// The holder of an access key.
    Key {
        /// The key.
        id: AccessKeyId,
        /// Its project.
        project: ProjectId,
        /// What it may do there.
        role: Role,
        /// The token that it showed instead of its secret.
        token: Option<ShownToken>,
        /// Which of its secrets it showed, or got the token with; none: nobody knows.
        secret: Option<Uuid>,
    },
    /// A user of an existing cloud, known by a token of its Keystone.
    Guest {
        /// The user's id there.
        user: String,
        /// The project's id there.
        home: String,
        /// The project here.
        project: ProjectId,
        /// What it may do there.
        role: Role,
        /// Until when its token is valid, where the Keystone has said so.
        until: Option<Timestamp>,
    },
}

/// A token that somebody showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownToken {
    /// By which the store knows it.
    pub digest: TokenDigest,
    /// Until when it is valid.
    pub until: Timestamp,
}

impl Caller {
    /// For the audit.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Operator => Actor::Operator,
            Self::Key { id, .. } => Actor::Key(id.clone()),
            Self::Guest { user, .. } => Actor::Guest(user.clone()),
        }
    }

    /// The key, where it is one.
    #[must_use]
    pub fn key(&self) -> Option<&AccessKeyId> {
        match self {
            Self::Operator | Self::Guest { .. } => None,
            Self::Key { id, .. } => Some(id),
        }
    }

    /// The only project that this caller sees; none: all.
    #[must_use]
    pub fn project(&self) -> Option<ProjectId> {
        match self {
            Self::Operator => None,
            Self::Key { project, .. } | Self::Guest { project, .. } => Some(*project),
        }
    }

    /// Demands a role.
    pub fn need(&self, needed: Role) -> Result<()> {
        match self {
            Self::Operator => Ok(()),
            Self::Key { role, .. } | Self::Guest { role, .. } if *role >= needed => Ok(()),
            Self::Key { .. } | Self::Guest { .. } => Err(Error::Forbidden { needed: Needed::Role(needed) }),
        }
    }

    /// The token that was shown instead of a secret.
    #[must_use]
    pub fn token(&self) -> Option<ShownToken> {
        match self {
            Self::Key { token, .. } => *token,
            Self::Operator | Self::Guest { .. } => None,
        }
    }

    /// Until when what was shown is valid, where its time is bounded: what is made with it opens no longer.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Operator => None,
            Self::Key { token, .. } => token.map(|shown| shown.until),
            Self::Guest { until, .. } => *until,
        }
    }

    /// The proof that was shown: what is made with it dies with it.
    #[must_use]
    pub fn made_with(&self) -> MadeWith {
        match self {
            Self::Key { token, secret, .. } => {
                MadeWith { token: token.map(|shown| shown.digest), secret: *secret }
            }
            Self::Operator | Self::Guest { .. } => MadeWith::default(),
        }
    }

    /// Demands the key's own secret, or the operator's token: whoever finds a token for a minute must make nothing with it that
    /// stays, such as another secret or a device's password.
    pub fn need_secret(&self) -> Result<()> {
        match self {
            Self::Operator | Self::Key { token: None, .. } => Ok(()),
            Self::Key { .. } | Self::Guest { .. } => Err(Error::Forbidden { needed: Needed::Secret }),
        }
    }

    /// Demands the operator's token.
    pub fn need_operator(&self) -> Result<()> {
        match self {
            Self::Operator => Ok(()),
            Self::Key { .. } | Self::Guest { .. } => Err(Error::Forbidden { needed: Needed::Operator }),
        }
    }
}

/// How a caller proves who it is.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The operator's token, or an API token.
    Token(Secret),
    /// An access key's id and one of its secrets.
    KeySecret(String, Secret),
}

impl Proof {
    /// The key's id, as it was sent.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Token(_) => None,
            Self::KeySecret(id, _) => Some(id),
        }
    }
}

/// A call whose caller has proved nothing yet.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Where it comes from.
    pub source: IpAddr,
    /// Its id, by which whoever was refused asks the operator why.
    pub request: &'a RequestId,
}

impl App {
    /// Tells who calls. A correct proof is never delayed by somebody else's wrong ones.
    pub async fn authenticate(&self, proof: &Proof, attempt: Attempt<'_>) -> Result<Caller> {
        self.recognise(proof).await.map_err(|error| match error {
            Error::Unauthenticated(_) => self.failed_proof(attempt, proof.key(), error),
            other => other,
        })
    }

    /// Tells who calls, for somebody who has proved it before: a failure is no attempt to guess.
    pub(crate) async fn recognise(&self, proof: &Proof) -> Result<Caller> {
        let caller = match proof {
            Proof::Token(token) => self.authenticate_token(token).await,
            Proof::KeySecret(id, secret) => self.authenticate_key(id, secret).await,
        };
        self.unless_revoked(caller?)
    }

    /// Refuses a key or a token that was revoked where the store does not know that yet.
    fn unless_revoked(&self, caller: Caller) -> Result<Caller> {
        match caller.key() {
            Some(key) if self.revocations.has_key(key) => {
                Err(Error::Unauthenticated("the access key was revoked"))
            }
            Some(key) if caller.token().is_some() && self.revocations.has_token(key, &caller.made_with()) => {
                Err(Error::Unauthenticated("the token is not valid"))
            }
            _ => Ok(caller),
        }
    }

    /// Tells whose access key it is by something other than its secret, such as a signature: `proves` is asked about each
    /// active secret of the key.
    pub async fn authenticate_by(
        &self,
        id: &str,
        proves: impl Fn(&Secret) -> bool + Send,
        attempt: Attempt<'_>,
    ) -> Result<Caller> {
        let caller = self.key_caller(id, proves).await.and_then(|caller| self.unless_revoked(caller));
        caller.map_err(|error| match error {
            Error::Unauthenticated(_) => self.failed_proof(attempt, Some(id), error),
            other => other,
        })
    }

    /// Whether a signature comes for the first time, at any node; it is remembered for so long.
    pub(crate) async fn is_first_use(&self, signature: TokenDigest, keep: Duration) -> Result<bool> {
        Ok(self.store.note_signature(signature, keep).await?)
    }

    /// Demands that there is such a key, and that it is not revoked: without one, no proof can be right.
    pub async fn demand_key(&self, id: &str, attempt: Attempt<'_>) -> Result<()> {
        let unknown = || Error::Unauthenticated("the access key or its secret is not valid");
        let found = match id.parse::<AccessKeyId>() {
            Ok(id) => self.store.key_with_secrets(&id).await?,
            Err(_) => None,
        };
        match found.filter(|(key, _)| key.revoked_at.is_none()) {
            Some(_) => Ok(()),
            None => Err(self.failed_proof(attempt, Some(id), unknown())),
        }
    }

    /// Counts a failed attempt and tells the log whose key was named, if anybody's: the error itself, or that there were
    /// too many.
    pub(crate) fn failed_proof(&self, attempt: Attempt<'_>, key: Option<&str>, error: Error) -> Error {
        if self.is_news_of(attempt.source) {
            // What is no key's id may be its secret, typed into the wrong field.
            let key = key.and_then(|key| key.parse::<AccessKeyId>().ok()).map(tracing::field::display);
            let Attempt { source, request } = attempt;
            tracing::warn!(%request, key, %source, %error, "an authentication failed");
        }
        self.failed_attempt(attempt.source, error)
    }

    /// Counts a failed attempt: the error itself, or that there were too many.
    pub(crate) fn failed_attempt(&self, source: IpAddr, error: Error) -> Error {
        self.metrics.failed_authentications.inc();
        if self.failures.allows(source) { error } else { Error::RateLimited }
    }

    /// Counts an error that tells of a guessed token or ticket; every other one passes as it is. The log has why, under the
    /// request id that the page shows, unless that source was refused often: whoever knows a link that was good once is refused as
    /// often as it asks.
    pub(crate) fn guarded(&self, attempt: Attempt<'_>, error: Error) -> Error {
        match &error {
            Error::End(end) if matches!(end.reason, EndReason::TokenUnknown | EndReason::TicketInvalid) => {
                self.failed_proof(attempt, None, error)
            }
            Error::End(end) if self.is_news_of(attempt.source) => {
                let (Attempt { source, request }, reason, detail) = (attempt, end.reason, end.detail());
                tracing::info!(%request, %source, %reason, detail, "a viewer was refused");
                error
            }
            _ => error,
        }
    }

    /// Refuses a page by its origin. The log says what to set: who sees the page can set nothing.
    pub(crate) fn refuse_origin(&self, attempt: Attempt<'_>, origin: &str) -> Error {
        if self.is_news_of(attempt.source) {
            let Attempt { source, request } = attempt;
            let error = "behind a proxy set [http] public_url and trusted_proxies, for another site's page \
                         [console] allowed_origins";
            let public_url = &self.public_url;
            tracing::warn!(%request, %source, origin, %public_url, error, "a page was refused by its origin");
        }
        End::told(EndReason::OriginRefused, origin).into()
    }

    async fn authenticate_key(&self, id: &str, secret: &Secret) -> Result<Caller> {
        self.key_caller(id, |active| active.matches(secret.expose())).await
    }

    async fn key_caller(&self, id: &str, proves: impl Fn(&Secret) -> bool + Send) -> Result<Caller> {
        let id: AccessKeyId = id.parse().map_err(|_| {
            Error::Unauthenticated("the access key id is mistyped: its checksum does not fit")
        })?;
        let unknown = Error::Unauthenticated("the access key or its secret is not valid");
        let found = self.store.key_with_secrets(&id).await?;
        let Some((key, secrets)) = found.filter(|(key, _)| key.revoked_at.is_none()) else {
            // As much work as for a key that exists: the time taken must not tell which ids do.
            drop(self.vault.seal(Purpose::AccessKeySecret, "nobody", &Secret::new("somebody")));
            return Err(unknown);
        };
        for candidate in secrets.into_iter().filter(|own| !self.revocations.has_secret(own.id)) {
            let opened = self
                .vault
                .open(Purpose::AccessKeySecret, &candidate.id.to_string(), &candidate.sealed)
                .map_err(Error::internal)?;
            if proves(&opened) {
                let AccessKey { id, project, role, .. } = key;
                return Ok(Caller::Key { id, project, role, token: None, secret: Some(candidate.id) });
            }
        }
        Err(unknown)
    }
}

/// Failed attempts per source, and of the networks around it; loopback is exempt.
pub(crate) struct FailureBudget(Vec<(u32, DefaultKeyedRateLimiter<Network>)>);

impl FailureBudget {
    pub(crate) fn new(per_second: u32) -> Self {
        let quota =
            |shares: u32| NonZeroU32::new(per_second.saturating_mul(shares)).unwrap_or(NonZeroU32::MIN);
        let limiter = |shares| DefaultKeyedRateLimiter::keyed(Quota::per_second(quota(shares)));
        Self(network::SHARES.map(|shares| (shares, limiter(shares))).into())
    }

    fn allows(&self, source: IpAddr) -> bool {
        if source.to_canonical().is_loopback() {
            return true;
        }
        network::tiers(source).iter().all(|tier| {
            let limiter = self.0.iter().find(|(shares, _)| *shares == tier.shares);
            limiter.is_none_or(|(_, limiter)| limiter.check_key(&tier.network).is_ok())
        })
    }

    /// Forgets sources that have not failed lately, so that the table does not grow for ever.
    pub(crate) fn tidy(&self) {
        for (_, limiter) in &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}
