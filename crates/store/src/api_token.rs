//! API tokens.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::access_key::AccessKeyId;
use transom_model::api_token::ApiToken;
use transom_model::audit::AuditEntry;
use transom_model::grant::{Dialect, MadeWith};
use transom_model::secret::TokenDigest;

use crate::access_key::{key_columns, read as read_key};
use crate::audit::write_down;
use crate::database::{Connection, Row, sql};
use crate::proof;
use crate::revision::raise;
use crate::{Result, Store, StoreError};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// What is kept of it.
    pub token: TokenDigest,
    /// The key it stands for.
    pub key: AccessKeyId,
    /// How long from now, by the database's clock, it is valid.
    pub ttl: Duration,
    /// What is shown for it. A token: it lives no longer than that. It dies with it.
    pub made_with: MadeWith,
}

/// The columns of a valid token, to be selected from `api_tokens` and `access_keys`.
macro_rules! token_columns {
    () => {
        concat!(key_columns!(), ", api_tokens.created_at, api_tokens.expires_at, api_tokens.made_with_secret")
    };
}

const VALID: &str = concat!(
    "SELECT ",
    token_columns!(),
    " FROM api_tokens JOIN access_keys ON access_keys.id = api_tokens.key_id \
     WHERE api_tokens.token_hash = $1 AND access_keys.revoked_at IS NULL \
     AND api_tokens.expires_at > (SELECT now FROM clock)"
);

impl Store {
    /// Makes a token. `NotFound` where the key does not exist or is revoked, `ProofGone` where what it is made with is worth
    /// nothing, `Conflict` where the token is taken.
    pub async fn create_token(&self, token: NewApiToken, audit: &AuditEntry) -> Result<ApiToken> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, token, &audit).await })).await
    }

    /// The token, where it is valid: neither expired nor revoked, and its key not revoked either.
    pub async fn token(&self, token: TokenDigest) -> Result<Option<ApiToken>> {
        self.first(sql(VALID).bind(token)).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// Makes a token worth nothing, for good, and every token that was got for it, through any number of others, and raises the
    /// revision: what was made with any of them is over, but for grants of the dialect that keeps its own. False where there is
    /// none.
    pub async fn revoke_token(
        &self,
        token: TokenDigest,
        keeping: Option<Dialect>,
        audit: &AuditEntry,
    ) -> Result<bool> {
        let audit = audit.clone();
        self.write_ending(move |db| Box::pin(async move { revoke(db, token, keeping, &audit).await })).await
    }

    /// Whether this was a token of ours, valid or not.
    pub async fn was_token(&self, token: TokenDigest) -> Result<bool> {
        const KNOWN: &str = "SELECT 1 FROM api_tokens WHERE token_hash = $1";
        Ok(self.first(sql(KNOWN).bind(token)).await?.is_some())
    }

    /// Deletes tokens that have been worth nothing for so long, at most this many. Call again while it deletes as many as
    /// the limit.
    pub async fn delete_expired_tokens(&self, since: Duration, limit: u32) -> Result<u64> {
        const EXPIRED: &str = "DELETE FROM api_tokens WHERE token_hash IN ( \
            SELECT token_hash FROM api_tokens WHERE expires_at + $1 <= (SELECT now FROM clock) \
            ORDER BY expires_at LIMIT $2)";
        self.write(move |db| Box::pin(async move { db.run(sql(EXPIRED).bind(since).bind(limit)).await }))
            .await
    }
}

async fn create(db: &mut Connection<'_>, token: NewApiToken, audit: &AuditEntry) -> Result<ApiToken> {
    // The key is selected, so that a revoked one makes no token whatever the caller looked up before.
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
    let mut row = db.first(sql(VALID).bind(token.token)).await?.ok_or(missing)?;
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
    // Of one that was revoked before, too, nothing is left: the chain is walked whatever its links are worth.
    const EXPIRE_FAMILY: &str = "WITH RECURSIVE family (token_hash) AS ( \
        SELECT token_hash FROM api_tokens WHERE parent_hash = $1 \
        UNION SELECT child.token_hash FROM api_tokens AS child JOIN family ON child.parent_hash = family.token_hash) \
        UPDATE api_tokens SET expires_at = (SELECT now FROM clock) \
        WHERE token_hash IN (SELECT token_hash FROM family) AND expires_at > (SELECT now FROM clock)";
    if db.run(sql(EXPIRE).bind(token)).await? == 0 {
        return Ok((false, Vec::new()));
    }
    // One that was being made under a child is seen once that child has let go of it: by the next look.
    while db.run(sql(EXPIRE_FAMILY).bind(token)).await? > 0 {}
    // Whoever listens by it is to be sent away, too.
    raise(db).await?;
    let waiting = proof::end_of_token(db, token, keeping).await?;
    write_down(db, audit).await?;
    Ok((true, waiting.write_down(db).await?))
}

fn read(row: &mut Row) -> Result<ApiToken> {
    Ok(ApiToken {
        key: read_key(row)?,
        created_at: row.time()?,
        expires_at: row.time()?,
        secret: row.parsed_or_null()?,
    })
}
