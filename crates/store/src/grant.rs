//! Grants.

use std::time::Duration;

use transom_model::access_key::AccessKeyId;
use transom_model::audit::AuditEntry;
use transom_model::grant::{ConsoleKind, Dialect, Grant, MadeWith, Rights};
use transom_model::id::{GrantId, InstanceUid, ProjectId, RequestId};
use transom_model::instance::{Instance, Sealed};
use transom_model::secret::TokenDigest;
use transom_model::{EndReason, Timestamp};

use crate::audit::write_down;
use crate::database::{Connection, Row, sql};
use crate::instance::{self, instance_columns};
use crate::proof;
use crate::revision::raise;
use crate::session::end_waiting;
use crate::{Page, Result, Store, StoreError};

/// A grant to be made.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// Its public id, a UUIDv7.
    pub id: GrantId,
    /// The project whose instance it opens.
    pub project: ProjectId,
    /// The key that asks for it; none: the operator.
    pub key: Option<AccessKeyId>,
    /// What it is made with: it dies with that.
    pub made_with: MadeWith,
    /// The front door it comes through.
    pub dialect: Dialect,
    /// The URL's form.
    pub kind: ConsoleKind,
    /// The instance it opens.
    pub instance: InstanceUid,
    /// What the viewer may do.
    pub rights: Rights,
    /// The call that makes it.
    pub request: RequestId,
    /// How often it may be used; none: until it expires.
    pub uses: Option<u32>,
    /// What is kept of its token.
    pub token: TokenDigest,
    /// How long from now, by the database's clock, it opens a session.
    pub ttl: Duration,
    /// How long from now, by the same clock, everything under it may last; none: as long as a session may.
    pub ends_after: Option<Duration>,
    /// It opens none later than that: whoever asks with a token gets no link that outlives it.
    pub no_later_than: Option<Timestamp>,
}

macro_rules! grant_columns {
    () => {
        $crate::grant::grant_columns!("grants.revoked_at")
    };
    ($revoked_at:literal) => {
        concat!(
            "grants.id, grants.project_id, grants.key_id, grants.dialect, grants.kind, grants.instance_uid, \
             grants.instance_id, grants.view_only, grants.clipboard, grants.request_id, grants.created_at, \
             grants.expires_at, grants.ends_at, grants.uses, grants.uses_left, ",
            $revoked_at,
            ", grants.foreign_token, grants.made_with_token, grants.made_with_secret"
        )
    };
}
pub(crate) use grant_columns;

/// Why a grant opens no session, or NULL. The words are `EndReason`s' codes.
macro_rules! refusal {
    () => {
        "CASE WHEN grants.ends_at <= (SELECT now FROM clock) THEN 'link-ended' \
         WHEN grants.expires_at <= (SELECT now FROM clock) THEN 'token-expired' \
         WHEN grants.uses_left = 0 THEN 'token-spent' WHEN grants.revoked_at IS NOT NULL THEN 'grant-revoked' \
         WHEN access_keys.revoked_at IS NOT NULL THEN 'key-revoked' \
         WHEN instances.uid IS NULL AND grants.foreign_token IS NULL THEN 'instance-removed' END"
    };
}
pub(crate) use refusal;

/// A grant as people are shown it: its key's revocation is its own.
const SELECT: &str = concat!(
    "SELECT ",
    grant_columns!(
        "COALESCE(grants.revoked_at, \
         (SELECT access_keys.revoked_at FROM access_keys WHERE access_keys.id = grants.key_id))"
    ),
    " FROM grants WHERE 1 = 1"
);

/// What a console URL's token is worth now.
#[derive(Clone, Debug)]
pub enum TokenStanding {
    /// It would open this instance, or a console of another cloud.
    Stands(Box<Standing>),
    /// It opens nothing.
    Refused {
        /// `TokenUnknown`, `LinkEnded`, `TokenExpired`, `TokenSpent`, `GrantRevoked`, `KeyRevoked` or `InstanceRemoved`.
        reason: EndReason,
        /// The grant, where the token has one.
        grant: Option<Box<Grant>>,
    },
}

/// What a token that stands would open.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its grant.
    pub grant: Grant,
    /// The instance; none: the grant is for a console of another cloud.
    pub instance: Option<Instance>,
    /// How long everything under the grant may still last, where it ends.
    pub ends_in: Option<Duration>,
}

/// `within`: only a grant of this project is found; `None`: of any.
impl Store {
    /// Makes a grant. `NotFound` where the project has no such instance, `Conflict` where the id or token is taken,
    /// `ProofGone` where what it is made with is worth nothing.
    pub async fn create_grant(&self, grant: NewGrant, audit: &AuditEntry) -> Result<Grant> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, grant, &audit).await })).await
    }

    /// One grant, whatever its state.
    pub async fn grant(&self, within: Option<ProjectId>, id: GrantId) -> Result<Option<Grant>> {
        let grant = sql(SELECT).push_value(" AND id = ", id).push_some(" AND project_id = ", within);
        self.first(grant).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// The grant of a token, whatever its state.
    pub async fn grant_of_token(
        &self,
        within: Option<ProjectId>,
        token: TokenDigest,
    ) -> Result<Option<Grant>> {
        let grant =
            sql(SELECT).push_value(" AND token_hash = ", token).push_some(" AND project_id = ", within);
        self.first(grant).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// Looks a console URL's token up without taking a use.
    pub async fn token_standing(&self, token: TokenDigest) -> Result<TokenStanding> {
        const GRANT: &str = concat!(
            "SELECT ",
            refusal!(),
            ", grants.ends_at - (SELECT now FROM clock), ",
            grant_columns!(),
            ", ",
            instance_columns!(),
            " FROM grants LEFT JOIN access_keys ON access_keys.id = grants.key_id \
             LEFT JOIN instances ON instances.uid = grants.instance_uid WHERE grants.token_hash = $1"
        );
        let Some(mut row) = self.first(sql(GRANT).bind(token)).await? else {
            return Ok(TokenStanding::Refused { reason: EndReason::TokenUnknown, grant: None });
        };
        let refusal = row.parsed_or_null()?;
        let ends_in = row.span_or_null()?;
        let grant = read(&mut row)?;
        if let Some(reason) = refusal {
            return Ok(TokenStanding::Refused { reason, grant: Some(Box::new(grant)) });
        }
        let instance = match grant.foreign {
            Some(_) => None,
            None => Some(instance::read(&mut row)?),
        };
        Ok(TokenStanding::Stands(Box::new(Standing { grant, instance, ends_in })))
    }

    /// Grants, the newest first. `only_live`: those that would still open a session (not revoked, expired or spent).
    pub async fn grants(&self, within: Option<ProjectId>, page: Page, only_live: bool) -> Result<Vec<Grant>> {
        let live = if only_live {
            " AND grants.revoked_at IS NULL AND grants.expires_at > (SELECT now FROM clock) \
             AND (grants.uses_left IS NULL OR grants.uses_left > 0) \
             AND NOT EXISTS (SELECT 1 FROM access_keys WHERE access_keys.id = grants.key_id \
                             AND access_keys.revoked_at IS NOT NULL)"
        } else {
            ""
        };
        let grants = sql(SELECT)
            .push(live)
            .push_some(" AND project_id = ", within)
            .push_some(" AND id < ", page.after)
            .push_value(" ORDER BY id DESC LIMIT ", page.limit);
        self.all(grants).await?.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Revokes a grant and raises the revision. True also where it was revoked before; false where there is none.
    pub async fn revoke_grant(
        &self,
        within: Option<ProjectId>,
        id: GrantId,
        audit: &AuditEntry,
    ) -> Result<bool> {
        let audit = audit.clone();
        self.write_ending(move |db| Box::pin(async move { revoke(db, within, id, &audit).await })).await
    }
}

async fn create(db: &mut Connection<'_>, grant: NewGrant, audit: &AuditEntry) -> Result<Grant> {
    // Selecting the instance by its project too holds projects apart, whatever the caller looked up.
    const INSERT: &str = concat!(
        "INSERT INTO grants (id, token_hash, project_id, key_id, dialect, kind, instance_uid, instance_id, \
         view_only, clipboard, request_id, uses, uses_left, made_with_token, made_with_secret, created_at, expires_at, \
         ends_at) \
         SELECT $1, $2, instances.project_id, $4, $5, $6, instances.uid, instances.id, $7, $8, $9, $10, $10, $15, $16, \
         clock.now, CASE WHEN $14 < clock.now + $11 THEN $14 ELSE clock.now + $11 END, clock.now + $12 \
         FROM instances, clock WHERE instances.uid = $13 AND instances.project_id = $3 \
         RETURNING ",
        grant_columns!()
    );
    let insert = sql(INSERT)
        .bind(grant.id)
        .bind(grant.token)
        .bind(grant.project)
        .bind(grant.key.as_ref())
        .bind(grant.dialect)
        .bind(grant.kind)
        .bind(grant.rights.view_only)
        .bind(grant.rights.clipboard)
        .bind(&grant.request)
        .bind(grant.uses)
        // What is over opens nothing.
        .bind(grant.ends_after.map_or(grant.ttl, |end| end.min(grant.ttl)))
        .bind(grant.ends_after)
        .bind(grant.instance)
        .bind(grant.no_later_than)
        .bind(grant.made_with.token)
        .bind(grant.made_with.secret);
    proof::hold(db, grant.made_with).await?;
    let mut row = db.first(insert).await?.ok_or(StoreError::NotFound("instance"))?;
    write_down(db, audit).await?;
    read(&mut row)
}

async fn revoke(
    db: &mut Connection<'_>,
    within: Option<ProjectId>,
    id: GrantId,
    audit: &AuditEntry,
) -> Result<(bool, Vec<EndReason>)> {
    let revoked = sql("UPDATE grants SET revoked_at = (SELECT now FROM clock) WHERE revoked_at IS NULL")
        .push_value(" AND id = ", id)
        .push_some(" AND project_id = ", within);
    if db.run(revoked).await? == 0 {
        let known = sql("SELECT 1 FROM grants")
            .push_value(" WHERE id = ", id)
            .push_some(" AND project_id = ", within);
        return Ok((db.first(known).await?.is_some(), Vec::new()));
    }
    raise(db).await?;
    let waiting = end_waiting(db, " AND grants.id = ", id).await?;
    write_down(db, audit).await?;
    Ok((true, waiting.write_down(db).await?))
}

pub(crate) fn read(row: &mut Row) -> Result<Grant> {
    Ok(Grant {
        id: row.parsed()?,
        project: row.parsed()?,
        key: row.parsed_or_null()?,
        dialect: row.parsed()?,
        kind: row.parsed()?,
        instance_uid: row.parsed()?,
        instance: row.parsed()?,
        rights: Rights { view_only: row.value()?, clipboard: row.value()? },
        request: row.parsed()?,
        created_at: row.time()?,
        expires_at: row.time()?,
        ends_at: row.time_or_null()?,
        uses: row.count_or_null()?,
        uses_left: row.count_or_null()?,
        revoked_at: row.time_or_null()?,
        foreign: row.value::<Option<Vec<u8>>>()?.map(Sealed),
        made_with: proof::read(row)?,
    })
}
