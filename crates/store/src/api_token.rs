//! API tokens.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::access_key::AccessKeyId;
use transom_model::api_token::{ApiToken, ApiTokenId};
use transom_model::audit::AuditEntry;
use transom_model::dialect::Dialect;
use transom_model::grant::MadeWith;
use transom_model::id::ProjectId;
use transom_model::secret::TokenDigest;

use crate::access_key::{key_columns, read as read_key};
use crate::audit::write_down;
use crate::database::{Connection, Row, Sql, sql};
use crate::proof;
use crate::revision::raise;
use crate::{Page, Result, Store, StoreError};

/// A new token.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// The digest of the token.
    pub token: TokenDigest,
    /// The key that it stands for.
    pub key: AccessKeyId,
    /// The lifetime from now by the database's clock.
    pub ttl: Duration,
    /// The credential presented for it. The token ends with that credential, and never expires
    /// later than a parent token.
    pub made_with: MadeWith,
}

/// The columns of a valid token, to be selected from `api_tokens` and `access_keys`.
macro_rules! token_columns {
    () => {
        concat!(
            "api_tokens.token_hash, ",
            key_columns!(),
            ", api_tokens.created_at, api_tokens.expires_at, api_tokens.last_used_at, api_tokens.made_with_secret"
        )
    };
}

const VALID: &str = concat!(
    "SELECT ",
    token_columns!(),
    " FROM api_tokens JOIN access_keys ON access_keys.id = api_tokens.key_id \
     WHERE access_keys.revoked_at IS NULL AND api_tokens.expires_at > (SELECT now FROM clock)"
);

fn valid(token: TokenDigest) -> Sql {
    sql(VALID).push_value(" AND api_tokens.token_hash = ", token)
}

impl Store {
    /// Creates a token. Returns `NotFound` if the key does not exist or is revoked, `ProofGone` if
    /// the presented credential is no longer valid, `Conflict` if the token exists.
    pub async fn create_token(&self, token: NewApiToken, audit: &AuditEntry) -> Result<ApiToken> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, token, &audit).await })).await
    }

    /// Returns the token if it is valid: neither the token nor its key is revoked, and it has not
    /// expired.
    pub async fn token(&self, token: TokenDigest) -> Result<Option<ApiToken>> {
        self.first(valid(token)).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// Lists valid tokens by id, optionally of one project and of one key.
    pub async fn tokens(
        &self,
        within: Option<ProjectId>,
        key: Option<&AccessKeyId>,
        page: Page,
    ) -> Result<Vec<ApiToken>> {
        let after = match page.after.map(|last| last.parse::<ApiTokenId>()) {
            None => None,
            Some(Ok(last)) => {
                let [_, greatest] = last.digests();
                Some(greatest)
            }
            // A malformed id has no successors.
            Some(Err(_)) => return Ok(Vec::new()),
        };
        let tokens = sql(VALID)
            .push_some(" AND access_keys.project_id = ", within)
            .push_some(" AND api_tokens.key_id = ", key)
            .push_some(" AND api_tokens.token_hash > ", after)
            .push_value(" ORDER BY api_tokens.token_hash LIMIT ", page.limit);
        self.all(tokens).await?.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Returns the valid token with this id.
    pub async fn token_by_id(&self, within: Option<ProjectId>, id: ApiTokenId) -> Result<Option<ApiToken>> {
        let [least, greatest] = id.digests();
        let token = sql(VALID)
            .push_value(" AND api_tokens.token_hash >= ", least)
            .push_value(" AND api_tokens.token_hash <= ", greatest)
            .push_some(" AND access_keys.project_id = ", within);
        self.first(token).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// Records that these tokens were used a moment ago.
    pub async fn note_token_uses(&self, tokens: Vec<TokenDigest>) -> Result<()> {
        const USED: &str =
            "UPDATE api_tokens SET last_used_at = (SELECT now FROM clock) WHERE token_hash = $1";
        self.write(move |db| {
            Box::pin(async move {
                for token in tokens {
                    db.run(sql(USED).bind(token)).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Permanently revokes a token and its descendants, and raises the revision. Ends everything
    /// created with them, except grants of the dialect that preserves its own. Returns false if the
    /// token does not exist.
    pub async fn revoke_token(
        &self,
        token: TokenDigest,
        keeping: Option<Dialect>,
        audit: &AuditEntry,
    ) -> Result<bool> {
        let audit = audit.clone();
        self.write_ending(move |db| Box::pin(async move { revoke(db, token, keeping, &audit).await })).await
    }

    /// Returns whether this token was ever issued, whether or not it is still valid.
    pub async fn was_token(&self, token: TokenDigest) -> Result<bool> {
        const KNOWN: &str = "SELECT 1 FROM api_tokens WHERE token_hash = $1";
        Ok(self.first(sql(KNOWN).bind(token)).await?.is_some())
    }

    /// Deletes at most `limit` tokens that have been invalid for at least `since`. Call it again
    /// while it deletes as many as the limit.
    pub async fn delete_expired_tokens(&self, since: Duration, limit: u32) -> Result<u64> {
        const EXPIRED: &str = "DELETE FROM api_tokens WHERE token_hash IN ( \
            SELECT token_hash FROM api_tokens WHERE expires_at + $1 <= (SELECT now FROM clock) \
            ORDER BY expires_at LIMIT $2)";
        self.write(move |db| Box::pin(async move { db.run(sql(EXPIRED).bind(since).bind(limit)).await }))
            .await
    }
}

async fn create(db: &mut Connection<'_>, token: NewApiToken, audit: &AuditEntry) -> Result<ApiToken> {
    // The statement selects the key, so a revoked key creates no token even if the caller looked it
    // up before the revocation.
    const INSERT: &str = "INSERT INTO api_tokens (token_hash, key_id, created_at, expires_at, parent_hash, \
        made_with_secret) \
        SELECT $1, access_keys.id, clock.now, CASE WHEN $4 < clock.now + $3 THEN $4 ELSE clock.now + $3 END, $5, $6 \
        FROM access_keys, clock WHERE access_keys.id = $2 AND access_keys.revoked_at IS NULL";
    const UNTIL: &str = "SELECT expires_at FROM api_tokens WHERE token_hash = $1";
    let MadeWith { token: parent, secret } = token.made_with;
    proof::hold(db, token.made_with).await?;
    let until = match parent {
        None => None,
        Some(parent) => db.first(sql(UNTIL).bind(parent)).await?.map(|mut row| row.time()).transpose()?,
    };
    let insert =
        sql(INSERT).bind(token.token).bind(&token.key).bind(token.ttl).bind(until).bind(parent).bind(secret);
    let missing = StoreError::NotFound("access key");
    if db.run(insert).await? == 0 {
        return Err(missing);
    }
    write_down(db, audit).await?;
    let mut row = db.first(valid(token.token)).await?.ok_or(missing)?;
    read(&mut row)
}

async fn revoke(
    db: &mut Connection<'_>,
    token: TokenDigest,
    keeping: Option<Dialect>,
    audit: &AuditEntry,
) -> Result<(bool, Vec<EndReason>)> {
    const EXPIRE: &str = "UPDATE api_tokens SET expires_at = (SELECT now FROM clock) \
        WHERE token_hash = $1 AND expires_at > (SELECT now FROM clock)";
    // The descendants of a token that was already revoked end too, so the walk ignores the validity
    // of each link.
    const EXPIRE_FAMILY: &str = "WITH RECURSIVE family (token_hash) AS ( \
        SELECT token_hash FROM api_tokens WHERE parent_hash = $1 \
        UNION SELECT child.token_hash FROM api_tokens AS child JOIN family ON child.parent_hash = family.token_hash) \
        UPDATE api_tokens SET expires_at = (SELECT now FROM clock) \
        WHERE token_hash IN (SELECT token_hash FROM family) AND expires_at > (SELECT now FROM clock)";
    if db.run(sql(EXPIRE).bind(token)).await? == 0 {
        return Ok((false, Vec::new()));
    }
    // A concurrent creation of a child holds the parent's lock. The next iteration sees that child.
    while db.run(sql(EXPIRE_FAMILY).bind(token)).await? > 0 {}
    // Clients that authenticate with these tokens must be disconnected too.
    raise(db).await?;
    let waiting = proof::end_of_token(db, token, keeping).await?;
    write_down(db, audit).await?;
    Ok((true, waiting.write_down(db).await?))
}

fn read(row: &mut Row) -> Result<ApiToken> {
    let digest = row.value::<Vec<u8>>()?.try_into();
    Ok(ApiToken {
        digest: digest.map(TokenDigest).map_err(|_| StoreError::Corrupt("a token's digest".to_owned()))?,
        key: read_key(row)?,
        created_at: row.time()?,
        expires_at: row.time()?,
        last_used_at: row.time_or_null()?,
        secret: row.parsed_or_null()?,
    })
}
