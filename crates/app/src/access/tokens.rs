//! API tokens: a caller presents its access key's secret once and a token from then on.

use std::time::Duration;

use transom_model::access_key::{AccessKeyId, Role};
use transom_model::api_token::{ApiToken, ApiTokenId, MAX_TOKEN_TTL};
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::dialect::Dialect;
use transom_model::id::ProjectId;
use transom_model::secret::{Secret, TokenDigest};
use transom_store::{Ground, NewApiToken, Page, Tally};

use crate::Call;
use crate::Caller;
use crate::access::Access;
use crate::access::caller::ShownToken;
use crate::error::{Error, Result};
use crate::random;
use crate::revocations::held::{Revocation, Revoked};

impl Access {
    /// Creates a token for the calling access key.
    pub async fn issue_token(&self, call: &Call, ttl: Duration) -> Result<(ApiToken, Secret)> {
        let Caller::Key { id, project, .. } = &call.caller else {
            return Err(Error::Conflict("only an access key can create tokens".to_owned()));
        };
        self.new_token(call, (id, *project), ttl).await
    }

    /// Creates a token for the caller's own key or for a key that it manages.
    pub async fn issue_token_for(
        &self,
        call: &Call,
        id: &AccessKeyId,
        ttl: Duration,
    ) -> Result<(ApiToken, Secret)> {
        let key =
            self.core.store.key(call.caller.project(), id).await?.ok_or(Error::NotFound("access key"))?;
        if call.caller.key() != Some(&key.id) {
            call.caller.need(Role::Admin)?;
        }
        if key.revoked_at.is_some() {
            return Err(Error::Conflict("the access key is revoked".to_owned()));
        }
        self.new_token(call, (&key.id, key.project), ttl).await
    }

    /// Creates a token. If the caller authenticated with a token, the new one ends with it.
    async fn new_token(
        &self,
        call: &Call,
        (key, project): (&AccessKeyId, ProjectId),
        ttl: Duration,
    ) -> Result<(ApiToken, Secret)> {
        if ttl.is_zero() || ttl > MAX_TOKEN_TTL {
            return Err(Error::invalid("ttl_seconds", "must be more than 0 and at most 30 days"));
        }
        let token = random::token();
        let new =
            NewApiToken { token: token.digest(), key: key.clone(), ttl, made_with: call.caller.made_with() };
        let audit = AuditEntry {
            project: Some(project),
            detail: Some(format!("token {}", ApiTokenId::of(new.token))),
            ..call.entry(AuditAction::TokenCreate, key)
        };
        Ok((self.core.store.create_token(new, &audit).await?, token))
    }

    /// Returns the valid token with this text, for its own key, an administrator of its project, or
    /// the operator.
    pub async fn token(&self, call: &Call, token: &str) -> Result<ApiToken> {
        let found = self.core.store.token(TokenDigest::of(token)).await?;
        let found = found.filter(|found| call.caller.project().is_none_or(|own| own == found.key.project));
        let found = found.ok_or(Error::NotFound("token"))?;
        if call.caller.key() != Some(&found.key.id) {
            call.caller.need(Role::Admin)?;
        }
        Ok(found)
    }

    /// Lists valid tokens: a project's for its administrators, all for the operator. Another key
    /// sees its own tokens.
    pub async fn tokens(&self, call: &Call, key: Option<&AccessKeyId>, page: Page) -> Result<Vec<ApiToken>> {
        let own = call.caller.key();
        let key = match call.caller.need(Role::Admin) {
            Ok(()) => key,
            Err(error) => match (key, own) {
                (None, Some(own)) => Some(own),
                (Some(key), Some(own)) if key == own => Some(own),
                _ => return Err(error),
            },
        };
        Ok(self.core.store.tokens(call.caller.project(), key, page).await?)
    }

    /// Revokes a token and ends everything that was made with it. A caller that revokes its own
    /// token keeps its consoles of OpenStack's dialect: clients of that dialect routinely revoke
    /// their token, and OpenStack's own consoles survive it.
    pub async fn revoke_token(&self, call: &Call, token: &str) -> Result<()> {
        let found = self.token(call, token).await?;
        let drops_its_own = call.caller.token().is_some_and(|shown| shown.digest == found.digest);
        let keeping = drops_its_own.then_some(Dialect::Openstack);
        self.revoke_found(call, &found, keeping).await
    }

    /// Revokes the token with this id and ends everything that was made with it. Returns the number
    /// of links and sessions that ended.
    pub async fn revoke_token_by_id(&self, call: &Call, id: ApiTokenId) -> Result<Tally> {
        let found =
            self.core.store.token_by_id(call.caller.project(), id).await?.ok_or(Error::NotFound("token"))?;
        if call.caller.key() != Some(&found.key.id) {
            call.caller.need(Role::Admin)?;
        }
        let ended = self.core.store.tally(Ground::Token(found.digest)).await?;
        self.revoke_found(call, &found, None).await?;
        Ok(ended)
    }

    async fn revoke_found(&self, call: &Call, found: &ApiToken, keeping: Option<Dialect>) -> Result<()> {
        let audit = AuditEntry {
            project: Some(found.key.project),
            detail: Some(format!("token {}", found.id())),
            ..call.entry(AuditAction::TokenRevoke, &found.key.id)
        };
        let within = call.caller.project();
        let what = Revoked::Token { token: found.digest, keeping };
        self.revocations.revoke(Revocation { what, within, audit }).await.map(drop)
    }

    /// Records the tokens used since the last call. If the store does not take them, the next call
    /// tries again.
    pub(crate) async fn settle_token_uses(&self) {
        let used: Vec<_> = self.token_uses.lock().drain().collect();
        if !used.is_empty() && self.core.store.note_token_uses(used.clone()).await.is_err() {
            self.token_uses.lock().extend(used);
        }
    }

    /// Authenticates a token. The caller is the operator, or the token's key with its current role.
    pub(crate) async fn authenticate_token(&self, token: &Secret) -> Result<Caller> {
        if token.digest() == self.operator {
            return Ok(Caller::Operator);
        }
        let found = self.core.store.token(token.digest()).await?;
        let ApiToken { key, expires_at, secret, .. } =
            found.ok_or(Error::Unauthenticated("the token is not valid"))?;
        self.token_uses.lock().insert(token.digest());
        let token = Some(ShownToken { digest: token.digest(), until: expires_at });
        Ok(Caller::Key { id: key.id, project: key.project, role: key.role, token, secret })
    }
}
