//! Proofs, the credentials with which rows were created. A row that was created with a token or a
//! key's secret ends when that credential is revoked.

use transom_model::access_key::AccessKeyId;
use transom_model::dialect::Dialect;
use transom_model::grant::MadeWith;
use transom_model::id::ProjectId;
use transom_model::secret::TokenDigest;

use crate::database::{Connection, Row, raced, sql};
use crate::session::{Waiting, end_waiting};
use crate::{Result, StoreError};

/// The condition on a grant that would still open a session, or has an open one.
macro_rules! of_use {
    () => {
        " AND revoked_at IS NULL AND (expires_at > (SELECT now FROM clock) OR EXISTS ( \
         SELECT 1 FROM sessions WHERE sessions.grant_id = grants.id AND sessions.state <> 'ended'))"
    };
}

/// A table of a token and all its descendants: the tokens obtained with it, directly or through
/// others.
macro_rules! family {
    () => {
        "WITH RECURSIVE family (token_hash) AS (SELECT token_hash FROM api_tokens WHERE token_hash = $1 \
         UNION SELECT child.token_hash FROM api_tokens AS child JOIN family ON child.parent_hash = family.token_hash) "
    };
}

/// The condition on a row that was created with a secret that no longer exists, of any key.
macro_rules! orphaned {
    () => {
        " made_with_secret NOT IN (SELECT access_key_secrets.id FROM access_key_secrets)"
    };
}

/// Checks a proof and locks it, so that the caller's new row cannot outlive it. Returns `ProofGone`
/// if the proof is no longer valid. A concurrent revocation waits for this transaction and then
/// finds the new row.
pub(crate) async fn hold(db: &mut Connection<'_>, made_with: MadeWith) -> Result<()> {
    const TOKEN: &str = "SELECT 1 FROM api_tokens WHERE token_hash = $1";
    // The database's time after waiting for the lock.
    const VALID: &str =
        "SELECT 1 FROM api_tokens WHERE token_hash = $1 AND expires_at > (SELECT now FROM clock)";
    const SECRET: &str = "SELECT 1 FROM access_key_secrets WHERE id = $1";
    let found = match made_with {
        MadeWith { token: Some(token), .. } => match db.shared(sql(TOKEN).bind(token)).await? {
            Some(_) => db.first(sql(VALID).bind(token)).await?,
            None => None,
        },
        MadeWith { secret: Some(secret), .. } => db.shared(sql(SECRET).bind(secret)).await?,
        // The operator's token.
        MadeWith { token: None, secret: None } => return Ok(()),
    };
    found.map(drop).ok_or(StoreError::ProofGone)
}

/// Ends everything created with a revoked token or its descendants, except grants of the dialect
/// that preserves its own. Returns the ended sessions that were waiting for their pages.
pub(crate) async fn end_of_token(
    db: &mut Connection<'_>,
    token: TokenDigest,
    keeping: Option<Dialect>,
) -> Result<Waiting> {
    const GRANTS: &str = concat!(
        family!(),
        "UPDATE grants SET revoked_at = (SELECT now FROM clock) \
         WHERE made_with_token IN (SELECT token_hash FROM family)",
        of_use!()
    );
    const NUMBERS: &str = concat!(
        family!(),
        "DELETE FROM repeater_ids WHERE made_with_token IN (SELECT token_hash FROM family)"
    );
    const PROJECT: &str = "SELECT access_keys.project_id FROM api_tokens \
        JOIN access_keys ON access_keys.id = api_tokens.key_id WHERE api_tokens.token_hash = $1";
    db.run(sql(GRANTS).bind(token).push_some(" AND dialect <> ", keeping)).await?;
    db.run(sql(NUMBERS).bind(token)).await?;
    // A token and its descendants belong to one project.
    let project: ProjectId = db.first(sql(PROJECT).bind(token)).await?.ok_or_else(raced)?.parsed()?;
    end_waiting(db, " AND sessions.project_id = ", project).await
}

/// Ends everything created with deleted secrets: tokens, grants and viewer ids. For the key whose
/// older secret was retired, this includes rows whose secret is unknown.
pub(crate) async fn end_of_secret(db: &mut Connection<'_>, retired: &AccessKeyId) -> Result<()> {
    const TOKENS: &str = concat!(
        "UPDATE api_tokens SET expires_at = (SELECT now FROM clock) \
         WHERE expires_at > (SELECT now FROM clock) AND (",
        orphaned!(),
        " OR (made_with_secret IS NULL AND key_id = $1))"
    );
    const GRANTS: &str = concat!(
        "UPDATE grants SET revoked_at = (SELECT now FROM clock) \
         WHERE revoked_at IS NULL AND expires_at > (SELECT now FROM clock) AND (",
        orphaned!(),
        " OR (made_with_secret IS NULL AND key_id = $1))"
    );
    // Separate statements, because each uses an index of its own.
    const OPEN: &str = concat!(
        "UPDATE grants SET revoked_at = (SELECT now FROM clock) WHERE revoked_at IS NULL \
         AND id IN (SELECT sessions.grant_id FROM sessions WHERE sessions.state <> 'ended') AND (",
        orphaned!(),
        " OR (made_with_secret IS NULL AND key_id = $1))"
    );
    for text in [TOKENS, GRANTS, OPEN] {
        db.run(sql(text).bind(retired)).await?;
    }
    end_numbers(db).await
}

/// Ends everything created for other keys with the secrets of a revoked key. The key's own
/// revocation ends everything that belongs to the key.
pub(crate) async fn end_of_key(db: &mut Connection<'_>, revoked: &AccessKeyId) -> Result<()> {
    const TOKENS: &str = concat!(
        "UPDATE api_tokens SET expires_at = (SELECT now FROM clock) WHERE expires_at > (SELECT now FROM clock) \
         AND (key_id = $1 OR",
        orphaned!(),
        ")"
    );
    const GRANTS: &str = concat!(
        "UPDATE grants SET revoked_at = (SELECT now FROM clock) WHERE key_id <> $1 AND ",
        orphaned!(),
        of_use!()
    );
    for text in [TOKENS, GRANTS] {
        db.run(sql(text).bind(revoked)).await?;
    }
    end_numbers(db).await
}

async fn end_numbers(db: &mut Connection<'_>) -> Result<()> {
    const NUMBERS: &str = concat!("DELETE FROM repeater_ids WHERE", orphaned!());
    db.run(sql(NUMBERS)).await.map(drop)
}

/// Reads the two columns of a proof, the token first.
pub(crate) fn read(row: &mut Row) -> Result<MadeWith> {
    let token = row.value::<Option<Vec<u8>>>()?.map(|bytes| bytes.try_into().map(TokenDigest));
    let token = token.transpose().map_err(|_| StoreError::Corrupt("a token's digest".to_owned()))?;
    Ok(MadeWith { token, secret: row.parsed_or_null()? })
}
