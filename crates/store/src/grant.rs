//! Grants.

use std::time::Duration;

use transom_model::access_key::AccessKeyId;
use transom_model::audit::AuditEntry;
use transom_model::console_kind::ConsoleKind;
use transom_model::dialect::Dialect;
use transom_model::grant::{Grant, MadeWith, Rights, ShownGrant};
use transom_model::id::{GrantId, InstanceUid, ProjectId, RequestId};
use transom_model::instance::{Instance, Sealed};
use transom_model::secret::TokenDigest;
use transom_model::{EndReason, Timestamp};

use crate::audit::write_down;
use crate::database::{Connection, Row, Sql, sql};
use crate::instance::{self, instance_columns};
use crate::proof;
use crate::revision::raise;
use crate::session::end_waiting;
use crate::{Page, Result, Store, StoreError};

/// A new grant.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// Its public id, a UUIDv7.
    pub id: GrantId,
    /// The project whose instance it opens.
    pub project: ProjectId,
    /// The key that requests it; `None` for the operator.
    pub key: Option<AccessKeyId>,
    /// The credential that it is created with. The grant ends with that credential.
    pub made_with: MadeWith,
    /// The front door through which it is requested.
    pub dialect: Dialect,
    /// The form of the URL.
    pub kind: ConsoleKind,
    /// The instance it opens.
    pub instance: InstanceUid,
    /// The rights of the viewer.
    pub rights: Rights,
    /// The id of the call that creates it.
    pub request: RequestId,
    /// The number of uses; `None` for unlimited use until expiry.
    pub uses: Option<u32>,
    /// The digest of its token.
    pub token: TokenDigest,
    /// The lifetime from now, by the database's clock, within which it opens sessions.
    pub ttl: Duration,
    /// The lifetime from now, by the same clock, of every session under it. `None` when only the
    /// limits of a session apply.
    pub ends_after: Option<Duration>,
    /// The latest time of expiry, so that a link requested with a token does not outlive the token.
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

/// The reason why a grant opens no session, or NULL. The words are `EndReason`'s codes.
macro_rules! refusal {
    () => {
        "CASE WHEN grants.ends_at <= (SELECT now FROM clock) THEN 'link-ended' \
         WHEN grants.expires_at <= (SELECT now FROM clock) THEN 'token-expired' \
         WHEN grants.uses_left = 0 THEN 'token-spent' WHEN grants.revoked_at IS NOT NULL THEN 'link-revoked' \
         WHEN access_keys.revoked_at IS NOT NULL THEN 'key-revoked' \
         WHEN instances.uid IS NULL AND grants.foreign_token IS NULL THEN 'instance-removed' END"
    };
}
pub(crate) use refusal;

/// A grant joined with the rows that decide about it. The key and the instance may be absent.
macro_rules! judged {
    () => {
        " FROM grants LEFT JOIN access_keys ON access_keys.id = grants.key_id \
         LEFT JOIN instances ON instances.uid = grants.instance_uid WHERE 1 = 1"
    };
}

pub(crate) use judged;

/// A grant as its owners see it. It counts as revoked if its key is.
const SELECT: &str = concat!(
    "SELECT ",
    refusal!(),
    ", (SELECT COUNT(*) FROM sessions WHERE sessions.grant_id = grants.id AND sessions.state <> 'ended'), ",
    grant_columns!("COALESCE(grants.revoked_at, access_keys.revoked_at)"),
    judged!()
);

/// The condition on a grant that would open a session or has an open one. A grant without uses or
/// time left is live until its sessions end. A revoked grant's sessions end within a second.
pub(crate) const LIVE: &str = " AND grants.revoked_at IS NULL AND access_keys.revoked_at IS NULL \
    AND (instances.uid IS NOT NULL OR grants.foreign_token IS NOT NULL) \
    AND (grants.expires_at > (SELECT now FROM clock) AND (grants.uses_left IS NULL OR grants.uses_left > 0) \
         OR EXISTS (SELECT 1 FROM sessions WHERE sessions.grant_id = grants.id AND sessions.state <> 'ended'))";

/// The standing of a console URL's token.
#[derive(Clone, Debug)]
pub enum TokenStanding {
    /// The token would open an instance, or a console of another cloud.
    Stands(Box<Standing>),
    /// The token opens nothing.
    Refused {
        /// `TokenUnknown`, `LinkEnded`, `TokenExpired`, `TokenSpent`, `LinkRevoked`, `KeyRevoked`
        /// or `InstanceRemoved`.
        reason: EndReason,
        /// The grant; `None` if the token is unknown.
        grant: Option<Box<Grant>>,
    },
}

/// The target that a valid token would open.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its grant.
    pub grant: Grant,
    /// The instance; `None` for a console of another cloud.
    pub instance: Option<Instance>,
    /// The time left until every session under the grant ends; `None` without such a limit.
    pub ends_in: Option<Duration>,
}

/// `within` restricts an operation to grants of this project; `None` permits any grant.
impl Store {
    /// Creates a grant. Returns `NotFound` if the project has no such instance, `Conflict` if the
    /// id or token exists, `ProofGone` if the presented credential is no longer valid.
    pub async fn create_grant(&self, grant: NewGrant, audit: &AuditEntry) -> Result<Grant> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, grant, &audit).await })).await
    }

    /// Returns a grant in any state.
    pub async fn grant(&self, within: Option<ProjectId>, id: GrantId) -> Result<Option<ShownGrant>> {
        self.shown(sql(SELECT).push_value(" AND grants.id = ", id), within).await
    }

    /// Returns the grant of a token in any state.
    pub async fn grant_of_token(
        &self,
        within: Option<ProjectId>,
        token: TokenDigest,
    ) -> Result<Option<ShownGrant>> {
        self.shown(sql(SELECT).push_value(" AND grants.token_hash = ", token), within).await
    }

    async fn shown(&self, grant: Sql, within: Option<ProjectId>) -> Result<Option<ShownGrant>> {
        let grant = grant.push_some(" AND grants.project_id = ", within);
        self.first(grant).await?.map(read_shown).transpose()
    }

    /// Looks up a console URL's token without taking a use.
    pub async fn token_standing(&self, token: TokenDigest) -> Result<TokenStanding> {
        const GRANT: &str = concat!(
            "SELECT ",
            refusal!(),
            ", grants.ends_at - (SELECT now FROM clock), ",
            grant_columns!(),
            ", ",
            instance_columns!(),
            judged!(),
            " AND grants.token_hash = $1"
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

    /// Lists grants, the newest first. `only_live` selects those that would still open a session or
    /// have an open one, and are not revoked.
    pub async fn grants(
        &self,
        within: Option<ProjectId>,
        page: Page,
        only_live: bool,
    ) -> Result<Vec<ShownGrant>> {
        let grants = sql(SELECT)
            .push(if only_live { LIVE } else { "" })
            .push_some(" AND grants.project_id = ", within)
            .push_some(" AND grants.id < ", page.after)
            .push_value(" ORDER BY grants.id DESC LIMIT ", page.limit);
        self.all(grants).await?.into_iter().map(read_shown).collect()
    }

    /// Revokes a grant and raises the revision. Returns true if the grant was already revoked,
    /// false if it does not exist.
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
    // Selecting the instance within its project separates projects, whatever the caller looked up
    // before.
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
        // A grant cannot open sessions after its end.
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

fn read_shown(mut row: Row) -> Result<ShownGrant> {
    let (refusal, open_sessions) = (row.parsed_or_null()?, row.count()?);
    Ok(ShownGrant { refusal, open_sessions, grant: read(&mut row)? })
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
