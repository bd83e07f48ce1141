//! Reservations: a session takes one use of a grant, and returns it if the dial fails.

use std::time::Duration;

use transom_model::audit::AuditEntry;
use transom_model::grant::Grant;
use transom_model::id::{GrantId, SessionId};
use transom_model::instance::Instance;
use transom_model::secret::TokenDigest;
use transom_model::session::SessionState;
use transom_model::{EndReason, Timestamp};

use super::draft::Draft;
use super::{ConsoleTarget, Hold, NewResumeTicket, allowed, moved, standing, verdict};
use crate::audit::write_down;
use crate::database::{Connection, raced, sql};
use crate::grant::{self, Standing, TokenStanding, grant_columns, refusal};
use crate::instance::{self, instance_columns};
use crate::revision::raise;
use crate::{Node, Result, Store};

/// A session to be reserved.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id, a UUIDv7.
    pub id: SessionId,
    /// The node that requests it.
    pub node: Node,
    /// The viewer's address.
    pub viewer: String,
    /// The maximum number of reserved and live sessions of its grant, including this one.
    pub most: usize,
}

/// The outcome of presenting a token.
#[derive(Clone, Debug)]
pub enum Reservation {
    /// A session is reserved and one use is taken.
    Reserved(Box<ConsoleTarget>),
    /// The token opens nothing.
    Refused {
        /// `TooManySessions`, `TokenUnknown`, `LinkEnded`, `TokenExpired`, `TokenSpent`,
        /// `LinkRevoked`, `KeyRevoked` or `InstanceRemoved`.
        reason: EndReason,
        /// The grant; `None` if the token is unknown.
        grant: Option<Box<Grant>>,
    },
}

impl Store {
    /// The lifetime of a reservation without a ticket. Such a session is dialled at once. The
    /// limits of dial and handshake, including the time in which a person at the instance accepts,
    /// are shorter. A session that is still reserved after this time belongs to a node that died.
    pub const RESERVATION_LIMIT: Duration = Duration::from_secs(240);

    /// The time within which a page presents its first ticket. A page does so at once unless the
    /// response was lost or its WebSocket did not open. The use must return while the link is still
    /// valid.
    pub const FIRST_PRESENTATION: Duration = Duration::from_secs(30);

    /// Takes one use of the token's grant and reserves a session. Of concurrent callers, exactly
    /// one gets the last use.
    ///
    /// The caller checks the instance's status. Detached sessions do not count towards the maximum.
    /// If uses are unlimited and there is no ticket, the caller enforces the maximum. Without a
    /// ticket the session cannot be resumed and lapses unless it is committed within
    /// [`RESERVATION_LIMIT`](Self::RESERVATION_LIMIT). With a ticket it lapses unless the ticket is
    /// presented within its `ttl` or [`FIRST_PRESENTATION`](Self::FIRST_PRESENTATION), whichever is
    /// shorter.
    pub async fn reserve(
        &self,
        token: TokenDigest,
        session: NewSession,
        ticket: Option<NewResumeTicket>,
    ) -> Result<Reservation> {
        // Unlimited use means no race for a last use, so a valid grant may be dialled at once.
        if ticket.is_none()
            && let TokenStanding::Stands(found) = self.token_standing(token).await?
            && found.grant.uses.is_none()
        {
            return self.reserve_uncounted(*found, session).await;
        }
        self.write(move |db| Box::pin(async move { reserve(db, token, session, ticket).await })).await
    }

    /// Queues the session ahead of its commit and of whatever may end it, so the caller need not
    /// wait for the disk.
    async fn reserve_uncounted(
        &self,
        Standing { grant, instance, ends_in }: Standing,
        session: NewSession,
    ) -> Result<Reservation> {
        let (of, version) = (grant.clone(), endpoint_version(instance.as_ref()));
        let draft = Draft::default();
        let target = ConsoleTarget {
            hold: Hold { session: session.id, turn: 1 },
            state: SessionState::Reserved,
            age: Duration::ZERO,
            ticket_expires_at: None,
            ends_in,
            grant,
            instance,
            draft: Some(draft.way()),
        };
        self.post(move |db| Box::pin(async move { set_aside(db, &of, version, session, draft).await }))
            .await?;
        Ok(Reservation::Reserved(Box::new(target)))
    }

    /// Undoes a reservation whose dial failed. The session ends and its use returns if the grant is
    /// still valid.
    ///
    /// A session that was being resumed stays detached, and its page may return once more. Returns
    /// true if the session ended. Writes the audit entry with the reason's code as its outcome
    /// unless the hold is stale.
    pub async fn give_back(&self, hold: Hold, reason: EndReason, audit: &AuditEntry) -> Result<bool> {
        let audit = AuditEntry { outcome: reason.code(), ..audit.clone() };
        self.write(move |db| Box::pin(async move { give_back(db, hold, reason, &audit).await })).await
    }
}

async fn reserve(
    db: &mut Connection<'_>,
    token: TokenDigest,
    session: NewSession,
    ticket: Option<NewResumeTicket>,
) -> Result<Reservation> {
    // This statement decides. It locks the grant's row; if another transaction was first, the
    // conditions are evaluated on the version that it left.
    const TAKE: &str = concat!(
        "UPDATE grants SET uses_left = uses_left - 1 WHERE token_hash = $1 AND revoked_at IS NULL \
         AND expires_at > (SELECT now FROM clock) AND (uses_left IS NULL OR uses_left > 0) \
         AND (foreign_token IS NOT NULL \
              OR EXISTS (SELECT 1 FROM instances WHERE instances.uid = grants.instance_uid)) \
         AND NOT EXISTS (SELECT 1 FROM access_keys \
                         WHERE access_keys.id = grants.key_id AND access_keys.revoked_at IS NOT NULL) \
         RETURNING ",
        grant_columns!()
    );
    const INSTANCE: &str = concat!("SELECT ", instance_columns!(), " FROM instances WHERE uid = $1");

    let Some(mut row) = db.first(sql(TAKE).bind(token)).await? else { return refuse(db, token).await };
    let grant = grant::read(&mut row)?;
    // The instance existed a moment ago. If it is gone now, the next run reports so.
    let instance = match grant.foreign {
        Some(_) => None,
        None => {
            let mut row = db.first(sql(INSTANCE).bind(grant.instance_uid)).await?.ok_or_else(raced)?;
            Some(instance::read(&mut row)?)
        }
    };
    // The grant's row is locked, so no other transaction counts its sessions at the same time.
    if open_sessions(db, grant.id).await? >= session.most {
        return_use(db, grant.id).await?;
        return Ok(Reservation::Refused { reason: EndReason::TooManySessions, grant: Some(Box::new(grant)) });
    }
    let hold = Hold { session: session.id, turn: 1 };
    let (ticket_expires_at, ends_in) =
        insert(db, &grant, endpoint_version(instance.as_ref()), session, ticket).await?;
    Ok(Reservation::Reserved(Box::new(ConsoleTarget {
        hold,
        state: SessionState::Reserved,
        age: Duration::ZERO,
        ticket_expires_at,
        ends_in,
        grant,
        instance,
        draft: None,
    })))
}

/// The version of the endpoint to which a session leads. It is constant for consoles of another
/// cloud, which have no instance.
fn endpoint_version(instance: Option<&Instance>) -> i64 {
    instance.map_or(0, |instance| instance.endpoint_version)
}

/// Counts the reserved and live sessions of a grant.
async fn open_sessions(db: &mut Connection<'_>, grant: GrantId) -> Result<usize> {
    const OPEN: &str =
        "SELECT COUNT(*) FROM sessions WHERE grant_id = $1 AND state <> 'ended' AND state <> 'detached'";
    db.first(sql(OPEN).bind(grant)).await?.ok_or_else(raced)?.count()
}

/// Reserves a session of a grant that was valid when looked up. If the session was committed in the
/// meantime, it is written as live.
async fn set_aside(
    db: &mut Connection<'_>,
    grant: &Grant,
    endpoint_version: i64,
    session: NewSession,
    draft: Draft,
) -> Result<()> {
    const VERDICT: &str = concat!(
        "SELECT COALESCE(",
        verdict!(),
        ", ",
        moved!(),
        ") FROM ",
        standing!(),
        " WHERE sessions.id = $1"
    );
    let id = session.id;
    if let Some(start) = draft.written()
        && insert_live(db, grant, endpoint_version, &session).await?
    {
        return write_down(db, &start).await;
    }
    insert(db, grant, endpoint_version, session, None).await?;
    let mut row = db.first(sql(VERDICT).bind(id)).await?.ok_or_else(raced)?;
    if row.parsed_or_null::<EndReason>()?.is_some() {
        // A concurrent revocation has already looked for its sessions. Raising the revision makes
        // the node look again.
        raise(db).await?;
    }
    Ok(())
}

/// Writes a reserved session. Returns the expiry of its ticket and the remaining time of its link.
async fn insert(
    db: &mut Connection<'_>,
    grant: &Grant,
    endpoint_version: i64,
    session: NewSession,
    ticket: Option<NewResumeTicket>,
) -> Result<(Option<Timestamp>, Option<Duration>)> {
    const INSERT: &str = "INSERT INTO sessions (id, grant_id, project_id, node_id, state, viewer, turn, ticket, \
        ticket_presented, ticket_ttl, bytes_to_viewer, bytes_to_instance, created_at, lapses_at, ends_at, \
        incarnation, carried, place) \
        SELECT $1, $2, $3, $4, 'reserved', $5, 1, $6, FALSE, $7, 0, 0, now, now + $8, $9, $10, $11, $12 FROM clock \
        RETURNING CASE WHEN ticket IS NOT NULL THEN lapses_at END, ends_at - created_at";
    let insert = sql(INSERT)
        .bind(session.id)
        .bind(grant.id)
        .bind(grant.project)
        .bind(session.node.id)
        .bind(session.viewer)
        .bind(ticket.map(|ticket| ticket.digest))
        .bind(ticket.map(|ticket| ticket.ttl))
        .bind(ticket.map_or(Store::RESERVATION_LIMIT, |ticket| ticket.ttl.min(Store::FIRST_PRESENTATION)))
        .bind(grant.ends_at)
        .bind(session.node.incarnation)
        // Without a ticket the instance is dialled at once.
        .bind(ticket.is_none())
        .bind(endpoint_version);
    let mut row = db.first(insert).await?.ok_or_else(raced)?;
    Ok((row.time_or_null()?, row.span_or_null()?))
}

/// Writes a session that is already live. Returns false if it is no longer permitted.
async fn insert_live(
    db: &mut Connection<'_>,
    grant: &Grant,
    endpoint_version: i64,
    session: &NewSession,
) -> Result<bool> {
    const INSERT: &str = concat!(
        "INSERT INTO sessions (id, grant_id, project_id, node_id, state, viewer, turn, ticket_presented, \
         bytes_to_viewer, bytes_to_instance, created_at, ends_at, incarnation, carried, place) \
         SELECT $1, $2, $3, $4, 'live', $5, 1, FALSE, 0, 0, now, $6, $7, TRUE, $8 FROM clock WHERE EXISTS (",
        allowed!("$2", "$8"),
        ")"
    );
    let insert = sql(INSERT)
        .bind(session.id)
        .bind(grant.id)
        .bind(grant.project)
        .bind(session.node.id)
        .bind(session.viewer.as_str())
        .bind(grant.ends_at)
        .bind(session.node.incarnation)
        .bind(endpoint_version);
    Ok(db.run(insert).await? == 1)
}

/// Returns the reason why the token opens nothing.
async fn refuse(db: &mut Connection<'_>, token: TokenDigest) -> Result<Reservation> {
    const WHY: &str = concat!(
        "SELECT ",
        refusal!(),
        ", ",
        grant_columns!(),
        " FROM grants LEFT JOIN access_keys ON access_keys.id = grants.key_id \
         LEFT JOIN instances ON instances.uid = grants.instance_uid WHERE grants.token_hash = $1"
    );
    let Some(mut row) = db.first(sql(WHY).bind(token)).await? else {
        return Ok(Reservation::Refused { reason: EndReason::TokenUnknown, grant: None });
    };
    // No reason remains because a use was returned between the two statements.
    let reason = row.parsed_or_null()?.ok_or_else(raced)?;
    Ok(Reservation::Refused { reason, grant: Some(Box::new(grant::read(&mut row)?)) })
}

async fn give_back(
    db: &mut Connection<'_>,
    hold: Hold,
    reason: EndReason,
    audit: &AuditEntry,
) -> Result<bool> {
    const END: &str = "UPDATE sessions SET state = 'ended', end_reason = COALESCE(kill_reason, $3), lapses_at = NULL, \
        ended_at = (SELECT now FROM clock) WHERE id = $1 AND turn = $2 \
        AND (state = 'reserved' OR (state = 'detached' AND kill_reason IS NOT NULL)) \
        RETURNING grant_id, kill_reason IS NULL";
    const STAY: &str = "UPDATE sessions SET lapses_at = (SELECT now FROM clock) + ticket_ttl, carried = FALSE \
        WHERE id = $1 AND turn = $2 AND state = 'detached' AND kill_reason IS NULL";

    let end = sql(END).bind(hold.session).bind(hold.turn).bind(reason);
    if let Some(mut row) = db.first(end).await? {
        let grant = row.parsed()?;
        if row.value()? {
            return_use(db, grant).await?;
        }
        write_down(db, audit).await?;
        return Ok(true);
    }
    if db.run(sql(STAY).bind(hold.session).bind(hold.turn)).await? == 1 {
        write_down(db, audit).await?;
    }
    Ok(false)
}

/// Returns one use to a grant whose uses are counted.
pub(super) async fn return_use(db: &mut Connection<'_>, grant: GrantId) -> Result<()> {
    const RETURN: &str = "UPDATE grants SET uses_left = uses_left + 1 WHERE id = $1 AND uses_left < uses";
    db.run(sql(RETURN).bind(grant)).await.map(drop)
}
