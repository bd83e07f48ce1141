//! Resume tickets, with which a page returns to its session.
//!
//! A session has one newest ticket. It is *fresh* until a WebSocket presents it, which can happen
//! once. An exchange replaces it, whether fresh or presented: it becomes *old*, and a new ticket
//! takes its place. The ticket that was exchanged for the newest one may be exchanged once more,
//! within [`Store::ANSWER_LOST`] and while the newest was never presented, because the response may
//! have been lost; that newest ticket then becomes old. Any other use of an old ticket, and a
//! second presentation, indicates a copy. A session that a connection carries then ends, while one
//! that waits for its page is unaffected.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::grant::Grant;
use transom_model::id::{GrantId, NodeId, ProjectId, RequestId, SessionId};
use transom_model::secret::TokenDigest;
use transom_model::session::SessionState;

use super::ending::ask_to_end;
use super::target::{self, target_columns};
use super::{ConsoleTarget, standing, verdict};
use crate::audit::write_down;
use crate::database::{Connection, Row, raced, sql};
use crate::revision::raise;
use crate::{Node, Result, Store, StoreError};

/// A new ticket.
#[derive(Clone, Copy, Debug)]
pub struct NewResumeTicket {
    /// The digest of the ticket.
    pub digest: TokenDigest,
    /// The time for which the ticket stays valid while no connection is live. It runs from now, and
    /// again from each loss of the viewer. It must exceed the time that dial and handshake may
    /// take.
    pub ttl: Duration,
}

/// The outcome of presenting or exchanging a ticket.
#[derive(Clone, Debug)]
pub enum ResumeTicketOutcome {
    /// The ticket was accepted.
    Accepted(Box<ConsoleTarget>),
    /// The ticket is unknown.
    Invalid,
    /// The ticket has expired.
    Expired,
    /// The session is over or may not continue.
    Ended(EndReason),
    /// The ticket is old and a connection carries its session. This call has requested and audited
    /// the session's end.
    Replayed {
        /// The session.
        session: SessionId,
        /// Its grant.
        grant: GrantId,
        /// Its project.
        project: ProjectId,
    },
    /// The ticket is old and its session waits for its page. Nothing was changed or audited.
    Old {
        /// The session.
        session: SessionId,
        /// Its grant.
        grant: Box<Grant>,
    },
}

impl ResumeTicketOutcome {
    /// The audit entry for an old ticket.
    #[must_use]
    pub fn replay_entry(
        grant: &Grant,
        session: SessionId,
        (request, origin): (RequestId, Origin),
        outcome: EndReason,
    ) -> AuditEntry {
        AuditEntry {
            request: Some(request),
            actor: Actor::Viewer,
            dialect: grant.dialect,
            action: AuditAction::TicketReplay,
            target: grant.instance.to_string(),
            outcome: outcome.code(),
            project: Some(grant.project),
            grant: Some(grant.id),
            session: Some(session),
            detail: None,
            origin,
        }
    }
}

impl Store {
    /// The time within which a page repeats an exchange whose response was lost. It does so at
    /// once, or after a reload.
    pub const ANSWER_LOST: Duration = Duration::from_secs(30);

    /// Returns the session that an exchange of this ticket would change. `None` if the exchange
    /// would change nothing or end the session. Only reads.
    pub async fn exchangeable(&self, shown: TokenDigest) -> Result<Option<SessionId>> {
        const FIND: &str = "SELECT id FROM sessions WHERE (ticket = $1 \
            OR id = (SELECT spent_tickets.session_id FROM spent_tickets WHERE spent_tickets.digest = $1)) \
            AND state <> 'ended' AND (ticket = $1 OR (previous_ticket = $1 AND NOT ticket_presented \
                AND exchanged_at > (SELECT now FROM clock) - $2))";
        let found = sql(FIND).bind(shown).bind(Self::ANSWER_LOST);
        self.first(found).await?.map(|mut row| row.parsed()).transpose()
    }

    /// Exchanges a ticket for a new one. The session's connection is unaffected until the new
    /// ticket is presented.
    ///
    /// The target contains the present hold, not a new one.
    pub async fn rotate_ticket(
        &self,
        shown: TokenDigest,
        new: NewResumeTicket,
        request: &RequestId,
        origin: &Origin,
    ) -> Result<ResumeTicketOutcome> {
        let by = (request.clone(), origin.clone());
        self.write(move |db| {
            Box::pin(async move {
                match judge(db, shown).await? {
                    Judgement::Refused(outcome) => Ok(outcome),
                    Judgement::Fresh(found) | Judgement::Presented(found) => {
                        rotate(db, Some(shown), *found, new).await
                    }
                    // The ticket is exchanged for the second and last time.
                    Judgement::AnswerLost(found) => rotate(db, None, *found, new).await,
                    Judgement::Old(found) => replayed(db, *found, by).await,
                }
            })
        })
        .await
    }

    /// Returns the outcome that an exchange of this ticket would have. A ticket that would be
    /// exchanged is not changed; any other is treated as in an exchange.
    pub async fn judge_ticket(
        &self,
        shown: TokenDigest,
        request: &RequestId,
        origin: &Origin,
    ) -> Result<ResumeTicketOutcome> {
        let by = (request.clone(), origin.clone());
        self.write(move |db| {
            Box::pin(async move {
                match judge(db, shown).await? {
                    Judgement::Refused(outcome) => Ok(outcome),
                    Judgement::Fresh(found) | Judgement::Presented(found) | Judgement::AnswerLost(found) => {
                        Ok(ResumeTicketOutcome::Accepted(Box::new(found.target)))
                    }
                    Judgement::Old(found) => replayed(db, *found, by).await,
                }
            })
        })
        .await
    }

    /// Takes hold of a session with a fresh ticket, for a WebSocket. This invalidates the hold of a
    /// connection that is live on another node, which finds out through [`to_end`](Self::to_end).
    /// The caller must cut a connection on its own node.
    pub async fn present_ticket(
        &self,
        shown: TokenDigest,
        node: Node,
        viewer: &str,
        request: &RequestId,
        origin: &Origin,
    ) -> Result<ResumeTicketOutcome> {
        let (viewer, by) = (viewer.to_owned(), (request.clone(), origin.clone()));
        self.write(move |db| {
            Box::pin(async move {
                match judge(db, shown).await? {
                    Judgement::Refused(outcome) => Ok(outcome),
                    Judgement::Fresh(found) => take_hold(db, *found, node, &viewer).await,
                    Judgement::Presented(found) | Judgement::AnswerLost(found) | Judgement::Old(found) => {
                        replayed(db, *found, by).await
                    }
                }
            })
        })
        .await
    }
}

/// The judgement on a ticket.
enum Judgement {
    /// The ticket is unusable, without consequences.
    Refused(ResumeTicketOutcome),
    /// The newest ticket, not presented yet.
    Fresh(Box<Found>),
    /// The newest ticket, already presented.
    Presented(Box<Found>),
    /// The ticket that was recently exchanged, once, for the newest one, which was never presented.
    AnswerLost(Box<Found>),
    /// Any other ticket that was exchanged.
    Old(Box<Found>),
}

/// A session found by one of its tickets.
struct Found {
    node: NodeId,
    newest: TokenDigest,
    presented: bool,
    /// True if a connection carries the session or is about to.
    carried: bool,
    target: ConsoleTarget,
}

async fn judge(db: &mut Connection<'_>, shown: TokenDigest) -> Result<Judgement> {
    const FIND: &str = concat!(
        "SELECT COALESCE(sessions.end_reason, ",
        verdict!(),
        "), sessions.node_id, sessions.ticket, sessions.previous_ticket, sessions.ticket_presented, \
         COALESCE(sessions.exchanged_at > (SELECT now FROM clock) - $2, FALSE), sessions.carried, \
         COALESCE(sessions.lapses_at <= (SELECT now FROM clock), FALSE), ",
        target_columns!(),
        " FROM ",
        standing!(),
        " WHERE sessions.ticket = $1 \
         OR sessions.id = (SELECT spent_tickets.session_id FROM spent_tickets WHERE spent_tickets.digest = $1)"
    );
    let Some(mut row) = db.first(sql(FIND).bind(shown).bind(Store::ANSWER_LOST)).await? else {
        return Ok(Judgement::Refused(ResumeTicketOutcome::Invalid));
    };
    if let Some(reason) = row.parsed_or_null()? {
        return Ok(Judgement::Refused(ResumeTicketOutcome::Ended(reason)));
    }
    let node = row.parsed()?;
    let newest =
        digest(&mut row)?.ok_or_else(|| StoreError::Corrupt("a session without ticket".to_owned()))?;
    let previous = digest(&mut row)?;
    let presented = row.value()?;
    let lately: bool = row.value()?;
    let carried = row.value()?;
    let lapsed: bool = row.value()?;
    let target = target::read(&mut row)?;
    let carried = carried || target.state == SessionState::Live;
    let found = Box::new(Found { node, newest, presented, carried, target });

    let current = shown == newest;
    let answer_lost = previous == Some(shown) && lately && !presented;
    Ok(match (current, answer_lost) {
        (true, _) | (_, true) if lapsed => Judgement::Refused(ResumeTicketOutcome::Expired),
        (true, _) if presented => Judgement::Presented(found),
        (true, _) => Judgement::Fresh(found),
        (_, true) => Judgement::AnswerLost(found),
        (false, false) => Judgement::Old(found),
    })
}

fn digest(row: &mut Row) -> Result<Option<TokenDigest>> {
    let Some(bytes) = row.value::<Option<Vec<u8>>>()? else { return Ok(None) };
    let bytes = bytes.try_into().map_err(|_| StoreError::Corrupt("a ticket's digest".to_owned()))?;
    Ok(Some(TokenDigest(bytes)))
}

/// Replaces the newest ticket. `again` is the ticket that may be exchanged once more.
async fn rotate(
    db: &mut Connection<'_>,
    again: Option<TokenDigest>,
    found: Found,
    new: NewResumeTicket,
) -> Result<ResumeTicketOutcome> {
    // A live session does not lapse. The new ticket's time begins when the viewer is lost.
    const ROTATE: &str = "UPDATE sessions SET ticket = $1, previous_ticket = $2, ticket_presented = FALSE, \
        exchanged_at = (SELECT now FROM clock), \
        ticket_ttl = $3, lapses_at = CASE WHEN state = 'live' THEN NULL ELSE (SELECT now FROM clock) + $3 END \
        WHERE id = $4 AND turn = $5 AND state = $6 AND ticket = $7 AND ticket_presented = $8 AND kill_reason IS NULL \
        RETURNING lapses_at";
    const SPEND: &str = "INSERT INTO spent_tickets (digest, session_id) VALUES ($1, $2)";

    let mut target = found.target;
    let rotate = sql(ROTATE)
        .bind(new.digest)
        .bind(again)
        .bind(new.ttl)
        .bind(target.hold.session)
        .bind(target.hold.turn)
        .bind(target.state)
        .bind(found.newest)
        .bind(found.presented);
    let mut row = db.first(rotate).await?.ok_or_else(raced)?;
    target.ticket_expires_at = row.time_or_null()?;
    db.run(sql(SPEND).bind(found.newest).bind(target.hold.session)).await?;
    Ok(ResumeTicketOutcome::Accepted(Box::new(target)))
}

async fn take_hold(
    db: &mut Connection<'_>,
    found: Found,
    node: Node,
    viewer: &str,
) -> Result<ResumeTicketOutcome> {
    // A live session counts as detached until its new holder commits, so a failed dial leaves it
    // resumable.
    const TAKE: &str = "UPDATE sessions SET ticket_presented = TRUE, turn = turn + 1, node_id = $1, viewer = $2, \
        incarnation = $7, carried = TRUE, place = $8, \
        state = CASE WHEN state = 'live' THEN 'detached' ELSE state END, \
        lapses_at = (SELECT now FROM clock) + ticket_ttl \
        WHERE id = $3 AND turn = $4 AND state = $5 AND ticket = $6 AND ticket_presented = FALSE \
        AND kill_reason IS NULL RETURNING turn, lapses_at";

    let mut target = found.target;
    let stale = target.hold;
    let take = sql(TAKE)
        .bind(node.id)
        .bind(viewer)
        .bind(stale.session)
        .bind(stale.turn)
        .bind(target.state)
        .bind(found.newest)
        .bind(node.incarnation)
        .bind(target.instance.as_ref().map_or(0, |instance| instance.endpoint_version));
    let mut row = db.first(take).await?.ok_or_else(raced)?;
    target.hold.turn = row.value()?;
    target.ticket_expires_at = row.time_or_null()?;

    if found.node != node.id {
        const TELL: &str = "INSERT INTO takeovers (node_id, session_id, turn, taken_at) \
            VALUES ($1, $2, $3, (SELECT now FROM clock)) ON CONFLICT (node_id, session_id) \
            DO UPDATE SET turn = excluded.turn, taken_at = excluded.taken_at";
        const FORGET: &str = "DELETE FROM takeovers WHERE node_id = $1 AND session_id = $2";
        db.run(sql(TELL).bind(found.node).bind(stale.session).bind(stale.turn)).await?;
        db.run(sql(FORGET).bind(node.id).bind(stale.session)).await?;
        raise(db).await?;
    }
    Ok(ResumeTicketOutcome::Accepted(Box::new(target)))
}

async fn replayed(
    db: &mut Connection<'_>,
    found: Found,
    by: (RequestId, Origin),
) -> Result<ResumeTicketOutcome> {
    let ConsoleTarget { hold, grant, .. } = found.target;
    if !found.carried {
        return Ok(ResumeTicketOutcome::Old { session: hold.session, grant: Box::new(grant) });
    }
    if !ask_to_end(db, None, hold.session, EndReason::TicketReplayed).await? {
        return Err(raced());
    }
    raise(db).await?;
    let audit = ResumeTicketOutcome::replay_entry(&grant, hold.session, by, EndReason::TicketReplayed);
    write_down(db, &audit).await?;
    Ok(ResumeTicketOutcome::Replayed { session: hold.session, grant: grant.id, project: grant.project })
}
