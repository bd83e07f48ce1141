//! Grants for consoles of another cloud: one for each of its tokens, however often the token is
//! presented.

use std::time::Duration;

use transom_model::audit::AuditEntry;
use transom_model::console_kind::ConsoleKind;
use transom_model::dialect::Dialect;
use transom_model::grant::Rights;
use transom_model::id::{GrantId, InstanceId, InstanceUid, ProjectId, RequestId};
use transom_model::instance::Sealed;
use transom_model::secret::TokenDigest;

use crate::audit::write_down;
use crate::database::{Connection, raced, sql};
use crate::{Result, Store};

/// Another cloud's information on a token.
#[derive(Clone, Debug)]
pub struct ForeignGrant {
    /// The id of a new grant, a UUIDv7. It is unused if the token has a grant.
    pub id: GrantId,
    /// The digest by which the grant is found. It must not be the digest of the token itself, which
    /// would open the console without asking that cloud.
    pub token: TokenDigest,
    /// The other cloud's token, sealed for `id`.
    pub sealed: Sealed,
    /// The project that owns such grants.
    pub project: ProjectId,
    /// The front door that understands the token.
    pub dialect: Dialect,
    /// The form of the console URL.
    pub kind: ConsoleKind,
    /// The machine's name in the other cloud.
    pub instance: InstanceId,
    /// The id of the call that presented the token.
    pub request: RequestId,
    /// The lifetime from now within which the grant opens sessions. Every presentation renews it.
    pub ttl: Duration,
}

impl Store {
    /// Creates the token's grant, or extends the existing one. A revoked grant stays revoked.
    ///
    /// Returns true if it created the grant; in that case it writes the audit entry with the
    /// grant's id.
    pub async fn adopt_grant(&self, grant: ForeignGrant, audit: &AuditEntry) -> Result<bool> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { adopt(db, grant, audit).await })).await
    }
}

async fn adopt(db: &mut Connection<'_>, grant: ForeignGrant, audit: AuditEntry) -> Result<bool> {
    // `WHERE TRUE` tells SQLite that ON CONFLICT does not belong to the join.
    const ADOPT: &str = "INSERT INTO grants (id, token_hash, project_id, dialect, kind, instance_uid, instance_id, \
        view_only, clipboard, request_id, created_at, expires_at, foreign_token) \
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now, now + $11, $12 FROM clock WHERE TRUE \
        ON CONFLICT (token_hash) DO UPDATE SET expires_at = excluded.expires_at RETURNING id";
    let rights = Rights::default();
    let adopt = sql(ADOPT)
        .bind(grant.id)
        .bind(grant.token)
        .bind(grant.project)
        .bind(grant.dialect)
        .bind(grant.kind)
        .bind(InstanceUid(grant.id.0))
        .bind(&grant.instance)
        .bind(rights.view_only)
        .bind(rights.clipboard)
        .bind(&grant.request)
        .bind(grant.ttl)
        .bind(&grant.sealed);
    let mut row = db.first(adopt).await?.ok_or_else(raced)?;
    let is_new = row.parsed::<GrantId>()? == grant.id;
    if is_new {
        write_down(db, &AuditEntry { grant: Some(grant.id), ..audit }).await?;
    }
    Ok(is_new)
}
