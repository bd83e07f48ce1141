//! Authentication: finds the caller behind a proof, and counts and logs wrong proofs.

use std::net::IpAddr;
use std::time::Duration;

use transom_model::EndReason;
use transom_model::access_key::{AccessKey, AccessKeyId};
use transom_model::end_reason::End;
use transom_model::secret::{Secret, TokenDigest};

use crate::access::Access;
use crate::access::caller::{Attempt, Caller, Proof};
use crate::error::{Error, Result};
use crate::vault::Purpose;

impl Access {
    /// Authenticates a caller. Wrong proofs from others never delay a correct one.
    pub async fn authenticate(&self, proof: &Proof, attempt: Attempt<'_>) -> Result<Caller> {
        self.recognise(proof).await.map_err(|error| match error {
            Error::Unauthenticated(_) => self.failed_proof(attempt, proof.key(), error),
            other => other,
        })
    }

    /// Authenticates a caller like [`Self::authenticate`], but neither counts nor logs a failure.
    pub(crate) async fn recognise(&self, proof: &Proof) -> Result<Caller> {
        let caller = match proof {
            Proof::Token(token) => self.authenticate_token(token).await,
            Proof::KeySecret(id, secret) => self.authenticate_key(id, secret).await,
        };
        self.unless_revoked(caller?)
    }

    /// Refuses a caller whose key or token was revoked at this node by a revocation that is not in
    /// the store yet.
    fn unless_revoked(&self, caller: Caller) -> Result<Caller> {
        match caller.key() {
            Some(key) if self.revocations.held.has_key(key) => {
                Err(Error::Unauthenticated("the access key was revoked"))
            }
            Some(key)
                if caller.token().is_some() && self.revocations.held.has_token(key, &caller.made_with()) =>
            {
                Err(Error::Unauthenticated("the token is not valid"))
            }
            _ => Ok(caller),
        }
    }

    /// Authenticates the holder of an access key by a proof other than its secret, such as a
    /// signature. Calls `proves` with each active secret of the key.
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

    /// Returns whether this is the first use of a signature at any node. The store remembers it for
    /// the given time.
    pub async fn is_first_use(&self, signature: TokenDigest, keep: Duration) -> Result<bool> {
        Ok(self.core.store.note_signature(signature, keep).await?)
    }

    /// Fails unless the key exists and is not revoked. Counts such a failure as a failed attempt.
    pub async fn demand_key(&self, id: &str, attempt: Attempt<'_>) -> Result<()> {
        let unknown = || Error::Unauthenticated("the access key or its secret is not valid");
        let found = match id.parse::<AccessKeyId>() {
            Ok(id) => self.core.store.key_with_secrets(&id).await?,
            Err(_) => None,
        };
        match found.filter(|(key, _)| key.revoked_at.is_none()) {
            Some(_) => Ok(()),
            None => Err(self.failed_proof(attempt, Some(id), unknown())),
        }
    }

    /// Counts a failed attempt and logs it with the named key, if any. Returns `error`, or
    /// [`Error::RateLimited`] after too many attempts from this source.
    pub fn failed_proof(&self, attempt: Attempt<'_>, key: Option<&str>, error: Error) -> Error {
        if self.is_news_of(attempt.source) {
            // Only a well-formed key id is logged. Any other text may be a secret in the wrong
            // field.
            let key = key.and_then(|key| key.parse::<AccessKeyId>().ok()).map(tracing::field::display);
            let Attempt { source, request } = attempt;
            tracing::warn!(%request, key, %source, %error, "an authentication failed");
        }
        self.failed_attempt(attempt.source, error)
    }

    /// Counts a failed attempt. Returns `error`, or [`Error::RateLimited`] after too many attempts
    /// from this source.
    pub(crate) fn failed_attempt(&self, source: IpAddr, error: Error) -> Error {
        self.core.metrics.failed_authentications.inc();
        if self.failures.allows(source) { error } else { Error::RateLimited }
    }

    /// Counts an error as a failed attempt if it means an unknown token or ticket, and returns
    /// every other error unchanged.
    ///
    /// Logs why a viewer was refused, under the request id that the page shows. The number of log
    /// lines per source is limited, since a program with an expired link may retry without end.
    pub fn guarded(&self, attempt: Attempt<'_>, error: Error) -> Error {
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

    /// Refuses a page because of its origin. The log names the settings that would allow it, since
    /// only the operator can change them.
    pub fn refuse_origin(&self, attempt: Attempt<'_>, origin: &str) -> Error {
        if self.is_news_of(attempt.source) {
            let Attempt { source, request } = attempt;
            let error = "behind a proxy set [http] public_url and trusted_proxies, for another site's page \
                         [console] allowed_origins";
            let public_url = &self.core.public_url;
            tracing::warn!(%request, %source, origin, %public_url, error, "a page was refused because of its origin");
        }
        End::for_viewers(EndReason::OriginRefused, origin).into()
    }

    async fn authenticate_key(&self, id: &str, secret: &Secret) -> Result<Caller> {
        self.key_caller(id, |active| active.matches(secret.expose())).await
    }

    async fn key_caller(&self, id: &str, proves: impl Fn(&Secret) -> bool + Send) -> Result<Caller> {
        let id: AccessKeyId = id.parse().map_err(|_| {
            Error::Unauthenticated("the access key id is mistyped: its checksum does not match")
        })?;
        let unknown = Error::Unauthenticated("the access key or its secret is not valid");
        let found = self.core.store.key_with_secrets(&id).await?;
        let Some((key, secrets)) = found.filter(|(key, _)| key.revoked_at.is_none()) else {
            // Do as much work as for an existing key, so the response time does not reveal which
            // ids exist.
            drop(self.core.vault.seal(Purpose::AccessKeySecret, "nobody", &Secret::new("somebody")));
            return Err(unknown);
        };
        for candidate in secrets.into_iter().filter(|own| !self.revocations.held.has_secret(own.id)) {
            let opened = self
                .core
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

    /// Returns whether to log another refusal to this unauthenticated source.
    pub fn is_news_of(&self, source: IpAddr) -> bool {
        self.core.log_budget.is_news_from(source)
    }
}
