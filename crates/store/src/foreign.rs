//! Grants for consoles of another cloud: one for each of its tokens, however often it is shown.

use std::time::Duration;

use transom_model::audit::AuditEntry;
use transom_model::grant::{ConsoleKind, Dialect, Rights};
use transom_model::id::{GrantId, InstanceId, InstanceUid, ProjectId, RequestId};
use transom_model::instance::Sealed;
use transom_model::secret::TokenDigest;

use crate::audit::write_down;
use crate::database::{Connection, raced, sql};
use crate::{Result, Store};

/// What another cloud says of a token that was shown to us.
#[derive(Clone, Debug)]
pub struct ForeignGrant {
    /// The id of the grant, where there is none yet: a UUIDv7.
    pub id: GrantId,
    /// By what the grant is found again. It must not be the digest of the token itself, which would open it unasked.
    pub token: TokenDigest,
    /// The other cloud's token, sealed for `id`.
    pub sealed: Sealed,
    /// The project that such grants belong to.
    pub project: ProjectId,
    /// The front door whose words the token is in.
    pub dialect: Dialect,
    /// How the viewer came.
    pub kind: ConsoleKind,
    /// What the other cloud calls the machine.
    pub instance: InstanceId,
    /// The call that showed the token.
    pub request: RequestId,
    /// How long from now the grant opens a session; each showing begins this time anew.
    pub ttl: Duration,
}

impl Store {
    /// Makes the grant, or lengthens the one that the token has. One that was revoked stays revoked.
    ///
    /// The audit entry is written, with the grant's id, where it is made. True where it was.
    pub async fn adopt_grant(&self, grant: ForeignGrant, audit: &AuditEntry) -> Result<bool> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { adopt(db, grant, audit).await })).await
    }
}

async fn adopt(db: &mut Connection<'_>, grant: ForeignGrant, audit: AuditEntry) -> Result<bool> {
    // `WHERE TRUE` tells SQLite that ON CONFLICT is not the join's.
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
