//! The sweep: ends sessions whose pages did not return.

use std::time::Duration;

use transom_model::id::{GrantId, NodeId, ProjectId, SessionId};
use transom_model::session::SessionState;
use transom_model::{EndReason, Timestamp};

use super::reservation::return_use;
use super::{read_state, standing, verdict};
use crate::audit::write_down_end;
use crate::database::{Connection, Row, sql};
use crate::revision::raise;
use crate::{Result, Store};

/// A session that the sweep ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The session.
    pub session: SessionId,
    /// Its grant.
    pub grant: GrantId,
    /// Its project.
    pub project: ProjectId,
    /// The reason: `ViewerLost`, or the reason that no longer permitted the session.
    pub reason: EndReason,
}

/// The tolerance after a link's end. A node ends the link's sessions by its own clock; a node that
/// was suspended lags behind and needs a reminder.
const LATE: Duration = Duration::from_secs(5);

/// The age after which a takeover needs no further announcement. A living node looks for sessions
/// to end at least every second.
const TAKEOVER_NEWS: Duration = Duration::from_secs(600);

impl Store {
    /// The maximum number of sessions that one sweep ends. Each takes a few statements, and all
    /// share one transaction.
    pub const SWEEP: u32 = 100;

    /// Ends sessions of every node that lapsed, or whose link ended, while no connection carries
    /// them. Reserved sessions return their use. Call it every few seconds, and again while it
    /// returns as many as [`SWEEP`](Self::SWEEP). Each end is audited.
    pub async fn sweep(&self) -> Result<Vec<Swept>> {
        self.write(move |db| Box::pin(async move { sweep(db).await })).await
    }
}

async fn sweep(db: &mut Connection<'_>) -> Result<Vec<Swept>> {
    const OLD_NEWS: &str = "DELETE FROM takeovers WHERE taken_at < (SELECT now FROM clock) - $1";
    const LAPSED: &str = concat!(
        "SELECT sessions.id, sessions.grant_id, sessions.project_id, sessions.state, sessions.lapses_at, ",
        verdict!(),
        " FROM ",
        standing!(),
        " WHERE sessions.lapses_at <= (SELECT now FROM clock) ORDER BY sessions.lapses_at LIMIT $1"
    );
    const LINK_ENDED: &str = concat!(
        "SELECT sessions.id, sessions.grant_id, sessions.project_id, sessions.state, sessions.lapses_at, ",
        verdict!(),
        " FROM ",
        standing!(),
        " WHERE sessions.ends_at <= (SELECT now FROM clock) AND sessions.state <> 'ended' \
         AND sessions.state <> 'live' AND sessions.lapses_at IS NOT NULL LIMIT $1"
    );
    const STILL_LIVE: &str = "SELECT 1 FROM sessions WHERE state <> 'ended' AND state = 'live' \
        AND ends_at <= (SELECT now FROM clock) - $1 LIMIT 1";

    db.run(sql(OLD_NEWS).bind(TAKEOVER_NEWS)).await?;

    let mut swept = Vec::new();
    for row in db.all(sql(LAPSED).bind(Store::SWEEP)).await? {
        swept.extend(end(db, &read(row)?).await?);
    }
    for row in db.all(sql(LINK_ENDED).bind(Store::SWEEP)).await? {
        swept.extend(end(db, &read(row)?).await?);
    }
    if db.first(sql(STILL_LIVE).bind(LATE)).await?.is_some() {
        raise(db).await?;
    }
    // Audit records come last; see `write_down`.
    for session in &swept {
        write_down_end(db, session.session).await?;
    }
    Ok(swept)
}

struct Lapsed {
    session: SessionId,
    grant: GrantId,
    project: ProjectId,
    state: SessionState,
    lapses_at: Timestamp,
    verdict: Option<EndReason>,
}

fn read(mut row: Row) -> Result<Lapsed> {
    Ok(Lapsed {
        session: row.parsed()?,
        grant: row.parsed()?,
        project: row.parsed()?,
        state: read_state(&mut row)?,
        lapses_at: row.time()?,
        verdict: row.parsed_or_null()?,
    })
}

/// Ends a lapsed session unless it changed in the meantime.
async fn end(db: &mut Connection<'_>, lapsed: &Lapsed) -> Result<Option<Swept>> {
    const END: &str = "UPDATE sessions SET state = 'ended', end_reason = $1, lapses_at = NULL, \
        ended_at = (SELECT now FROM clock) WHERE id = $2 AND state = $3 AND lapses_at = $4";
    let reason = lapsed.verdict.unwrap_or(EndReason::ViewerLost);
    let end = sql(END).bind(reason).bind(lapsed.session).bind(lapsed.state).bind(lapsed.lapses_at);
    if db.run(end).await? == 0 {
        return Ok(None);
    }
    if lapsed.state == SessionState::Reserved && lapsed.verdict.is_none() {
        return_use(db, lapsed.grant).await?;
    }
    Ok(Some(Swept { session: lapsed.session, grant: lapsed.grant, project: lapsed.project, reason }))
}

/// Releases the sessions that an earlier life of this node carried. Pages can return to its live
/// sessions; sessions without a ticket lapse. Reserved sessions with a ticket stay as they are:
/// their pages return or they lapse in time.
pub(crate) async fn adopt(db: &mut Connection<'_>, node: NodeId) -> Result<()> {
    const DETACH: &str = "UPDATE sessions SET state = 'detached', \
        lapses_at = (SELECT now FROM clock) + ticket_ttl \
        WHERE node_id = $1 AND state <> 'ended' AND state = 'live' AND ticket IS NOT NULL AND kill_reason IS NULL";
    const LAPSE: &str = "UPDATE sessions SET lapses_at = (SELECT now FROM clock) \
        WHERE node_id = $1 AND state <> 'ended' AND (ticket IS NULL OR kill_reason IS NOT NULL)";
    const LET_GO: &str =
        "UPDATE sessions SET carried = FALSE WHERE node_id = $1 AND state <> 'ended' AND carried";
    for text in [DETACH, LAPSE, LET_GO] {
        db.run(sql(text).bind(node)).await?;
    }
    Ok(())
}

/// Releases the sessions of nodes that are gone.
pub(crate) async fn bury(db: &mut Connection<'_>) -> Result<()> {
    // The redundant `state <> 'ended'` lets SQLite recognize that the index of open sessions
    // applies.
    const BURY: &str = "UPDATE sessions SET carried = FALSE, \
        state = CASE WHEN state = 'live' THEN 'detached' ELSE state END, \
        lapses_at = CASE WHEN kill_reason IS NOT NULL THEN (SELECT now FROM clock) \
            WHEN state = 'live' THEN (SELECT now FROM clock) + COALESCE(ticket_ttl, 0) ELSE lapses_at END \
        WHERE state <> 'ended' AND (state = 'live' OR carried) \
        AND node_id IN (SELECT nodes.id FROM nodes WHERE nodes.state = 'gone')";
    db.run(sql(BURY)).await.map(drop)
}
