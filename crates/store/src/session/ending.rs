//! Endings: a lost viewer, the end of a session, and requests to end one.

use transom_model::EndReason;
use transom_model::audit::AuditEntry;
use transom_model::id::{ProjectId, SessionId};

use super::{Hold, standing, verdict};
use crate::audit::{write_down, write_down_end};
use crate::database::{Bind, Connection, Row, sql};
use crate::revision::raise;
use crate::{Result, Store};

/// The number of bytes that one connection moved. They are added to the session's totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from the instance to the viewer.
    pub to_viewer: u64,
    /// Bytes from the viewer to the instance.
    pub to_instance: u64,
}

/// The effect of a connection's end on its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The session waits for its page to return.
    Detached,
    /// The session ended for this reason. A kill that came first takes precedence over the given
    /// reason.
    Ended(EndReason),
    /// The session had already ended for this reason.
    Already(EndReason),
    /// Another connection carries the session; only the bytes were added.
    TakenOver,
    /// The session does not exist.
    Unknown,
}

impl Store {
    /// Records that the viewer was lost. It may return with its ticket within the ticket's `ttl`
    /// from now.
    ///
    /// A session without a ticket, or one that was killed, ends instead; the audit attributes that
    /// to Transom.
    pub async fn detach(&self, hold: Hold, traffic: Traffic) -> Result<Ending> {
        self.write_unhurried(move |db| Box::pin(async move { detach(db, hold, traffic).await })).await
    }

    /// Ends a session. The operation is idempotent and the first reason stands. A stale hold only
    /// adds its bytes.
    ///
    /// If this call ended the session, the audit entry is written with the code of the final
    /// reason.
    pub async fn end(
        &self,
        hold: Hold,
        reason: EndReason,
        traffic: Traffic,
        audit: &AuditEntry,
    ) -> Result<Ending> {
        let audit = audit.clone();
        self.write_unhurried(move |db| Box::pin(async move { end(db, hold, reason, traffic, audit).await }))
            .await
    }

    /// Ends a session at the request of its page. A session that another connection carries ends
    /// within a second, as if killed; the revision is raised for that.
    pub async fn leave(&self, hold: Hold, audit: &AuditEntry) -> Result<Ending> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { leave(db, hold, audit).await })).await
    }

    /// Requests a session's end (`SessionKilled`) and raises the revision. The session's node ends
    /// it; a session that waits for its page ends at once. Returns false if it is not open.
    pub async fn kill(&self, within: Option<ProjectId>, id: SessionId, audit: &AuditEntry) -> Result<bool> {
        let audit = audit.clone();
        self.write_ending(move |db| Box::pin(async move { kill(db, within, id, &audit).await })).await
    }
}

async fn detach(db: &mut Connection<'_>, hold: Hold, traffic: Traffic) -> Result<Ending> {
    // A page that holds a ticket may return even while its instance is still being dialled, so
    // `reserved` stays.
    const DETACH: &str = "UPDATE sessions SET bytes_to_viewer = bytes_to_viewer + $3, \
        bytes_to_instance = bytes_to_instance + $4, \
        state = CASE WHEN turn <> $2 THEN state WHEN ticket IS NULL OR kill_reason IS NOT NULL THEN 'ended' \
                     WHEN state = 'live' THEN 'detached' ELSE state END, \
        end_reason = CASE WHEN turn <> $2 THEN NULL WHEN kill_reason IS NOT NULL THEN kill_reason \
                          WHEN ticket IS NULL THEN 'viewer-lost' END, \
        ended_at = CASE WHEN turn = $2 AND (ticket IS NULL OR kill_reason IS NOT NULL) \
                        THEN (SELECT now FROM clock) END, \
        lapses_at = CASE WHEN turn <> $2 THEN lapses_at WHEN ticket IS NULL OR kill_reason IS NOT NULL THEN NULL \
                         ELSE (SELECT now FROM clock) + ticket_ttl END, \
        carried = CASE WHEN turn = $2 THEN FALSE ELSE carried END \
        WHERE id = $1 AND state <> 'ended' RETURNING end_reason, turn";
    let detach =
        sql(DETACH).bind(hold.session).bind(hold.turn).bind(traffic.to_viewer).bind(traffic.to_instance);
    let row = db.first(detach).await?;
    let ending = conclude(db, hold, row).await?;
    if matches!(ending, Ending::Ended(_)) {
        write_down_end(db, hold.session).await?;
    }
    Ok(ending)
}

async fn end(
    db: &mut Connection<'_>,
    hold: Hold,
    reason: EndReason,
    traffic: Traffic,
    audit: AuditEntry,
) -> Result<Ending> {
    const END: &str = "UPDATE sessions SET bytes_to_viewer = bytes_to_viewer + $3, \
        bytes_to_instance = bytes_to_instance + $4, \
        state = CASE WHEN turn = $2 THEN 'ended' ELSE state END, \
        end_reason = CASE WHEN turn = $2 THEN COALESCE(kill_reason, $5) END, \
        ended_at = CASE WHEN turn = $2 THEN (SELECT now FROM clock) END, \
        lapses_at = CASE WHEN turn = $2 THEN NULL ELSE lapses_at END \
        WHERE id = $1 AND state <> 'ended' RETURNING end_reason, turn";
    let end = sql(END)
        .bind(hold.session)
        .bind(hold.turn)
        .bind(traffic.to_viewer)
        .bind(traffic.to_instance)
        .bind(reason);
    let row = db.first(end).await?;
    let ending = conclude(db, hold, row).await?;
    if let Ending::Ended(reason) = ending {
        write_down(db, &AuditEntry { outcome: reason.code(), ..audit }).await?;
    }
    Ok(ending)
}

async fn leave(db: &mut Connection<'_>, hold: Hold, audit: AuditEntry) -> Result<Ending> {
    const REASON: EndReason = EndReason::ViewerClosed;
    let live = sql("SELECT 1 FROM sessions WHERE state = 'live'").push_value(" AND id = ", hold.session);
    if db.first(live).await?.is_none() {
        return end(db, hold, REASON, Traffic::default(), audit).await;
    }
    if ask_to_end(db, None, hold.session, REASON).await? {
        raise(db).await?;
    }
    Ok(Ending::TakenOver)
}

/// Returns the effect of the update of an open session, or the session's actual state if the update
/// matched no row.
async fn conclude(db: &mut Connection<'_>, hold: Hold, updated: Option<Row>) -> Result<Ending> {
    let Some(mut row) = updated else {
        let ended = db.first(sql("SELECT end_reason FROM sessions WHERE id = $1").bind(hold.session)).await?;
        return Ok(match ended {
            Some(mut row) => Ending::Already(row.parsed()?),
            None => Ending::Unknown,
        });
    };
    if let Some(reason) = row.parsed_or_null()? {
        return Ok(Ending::Ended(reason));
    }
    Ok(if row.value::<i64>()? == hold.turn { Ending::Detached } else { Ending::TakenOver })
}

async fn kill(
    db: &mut Connection<'_>,
    within: Option<ProjectId>,
    id: SessionId,
    audit: &AuditEntry,
) -> Result<(bool, Vec<EndReason>)> {
    if ask_to_end(db, within, id, EndReason::SessionKilled).await? {
        raise(db).await?;
        let waiting = end_waiting(db, " AND sessions.id = ", id).await?;
        write_down(db, audit).await?;
        return Ok((true, waiting.write_down(db).await?));
    }
    let dying = sql("SELECT 1 FROM sessions WHERE state <> 'ended'")
        .push_value(" AND id = ", id)
        .push_some(" AND project_id = ", within);
    Ok((db.first(dying).await?.is_some(), Vec::new()))
}

/// Sessions that ended while they waited for their pages.
#[derive(Default)]
pub(crate) struct Waiting(Vec<(SessionId, EndReason)>);

impl Waiting {
    /// Audits each end. Returns the reasons.
    pub(crate) async fn write_down(self, db: &mut Connection<'_>) -> Result<Vec<EndReason>> {
        for (session, _) in &self.0 {
            write_down_end(db, *session).await?;
        }
        Ok(self.0.into_iter().map(|(_, reason)| reason).collect())
    }
}

/// Ends the waiting sessions of a grant, a project or an instance that are no longer permitted. A
/// session whose page returns at this moment ends with the connection that carries it. Sessions
/// beyond one sweep's maximum lapse, and the sweep ends them.
pub(crate) async fn end_waiting(
    db: &mut Connection<'_>,
    of: &'static str,
    id: impl Bind + Clone,
) -> Result<Waiting> {
    const WAITING: &str = concat!(
        "SELECT sessions.id, ",
        verdict!(),
        " FROM ",
        standing!(),
        " WHERE sessions.state <> 'ended' AND sessions.state = 'detached' AND NOT sessions.carried AND ",
        verdict!(),
        " IS NOT NULL"
    );
    const END: &str = "UPDATE sessions SET state = 'ended', end_reason = $1, lapses_at = NULL, \
        ended_at = (SELECT now FROM clock) WHERE id = $2 AND state = 'detached' AND NOT carried";
    const LAPSE: &str = concat!(
        "UPDATE sessions SET lapses_at = (SELECT now FROM clock) \
         WHERE state <> 'ended' AND state = 'detached' AND NOT carried AND id IN (SELECT sessions.id FROM ",
        standing!(),
        " WHERE sessions.state <> 'ended' AND sessions.state = 'detached' AND ",
        verdict!(),
        " IS NOT NULL"
    );
    let mut ended = Vec::new();
    let some =
        sql(WAITING).push_value(of, id.clone()).push_value(" ORDER BY sessions.id LIMIT ", Store::SWEEP);
    let rows = db.all(some).await?;
    let more = rows.len() >= Store::SWEEP as usize;
    for mut row in rows {
        let (session, reason): (SessionId, EndReason) = (row.parsed()?, row.parsed()?);
        if db.run(sql(END).bind(reason).bind(session)).await? == 1 {
            ended.push((session, reason));
        }
    }
    if more {
        db.run(sql(LAPSE).push_value(of, id).push(")")).await?;
    }
    Ok(Waiting(ended))
}

/// Marks an open session to be ended by the node that carries it. The first request determines the
/// reason. The caller must raise the revision if this returns true.
pub(super) async fn ask_to_end(
    db: &mut Connection<'_>,
    within: Option<ProjectId>,
    id: SessionId,
    reason: EndReason,
) -> Result<bool> {
    // A session that a connection carries ends only with that connection. Marked as ended earlier,
    // it could continue unseen.
    let ask = sql("UPDATE sessions SET kill_reason = $1, \
                   lapses_at = CASE WHEN state <> 'live' AND NOT carried THEN (SELECT now FROM clock) END \
                   WHERE state <> 'ended' AND kill_reason IS NULL")
    .bind(reason)
    .push_value(" AND id = ", id)
    .push_some(" AND project_id = ", within);
    Ok(db.run(ask).await? == 1)
}
