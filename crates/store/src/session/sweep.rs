//! The sweep: sessions that nobody came back to.

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
    /// Why it ended: `ViewerLost`, or what no longer allowed it.
    pub reason: EndReason,
}

/// What was found of a node's earlier process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Sessions whose pages may come back.
    pub detached: u64,
    /// Sessions without a ticket: the next sweep ends them.
    pub lapsed: u64,
}

/// A node ends the sessions of a link that ends by its own clock. One that was suspended has lost that time, and is reminded.
const LATE: Duration = Duration::from_secs(5);

/// Nodes look for what to end at least every second while they live.
const TAKEOVER_NEWS: Duration = Duration::from_secs(600);

impl Store {
    /// How many sessions one sweep ends at most: each takes a few statements, and they are one transaction.
    pub const SWEEP: u32 = 100;

    /// A node that has not swept for this long is dead to the others: many times the pause between two sweeps, so that a
    /// busy one is not. It must itself have ended its sessions by then.
    pub const SILENCE: Duration = Duration::from_secs(60);

    /// Ends sessions that lapsed or whose link is over while no connection carries them, of every node, and says that this node is alive. Call it every few seconds.
    ///
    /// Reserved ones give their use back. Live sessions of a node that has been silent for [`SILENCE`](Self::SILENCE) become detached.
    /// Call again while it returns as many as [`SWEEP`](Self::SWEEP). Each is audited.
    pub async fn sweep(&self, node: NodeId) -> Result<Vec<Swept>> {
        self.write(move |db| Box::pin(async move { sweep(db, node).await })).await
    }

    /// At start: this node's earlier process is gone. Its live sessions become detached, so that pages come back; those
    /// without a ticket lapse, so that the next sweep ends them and a use that was only reserved returns. Reserved
    /// sessions with a ticket stay as they are: their pages come again, or they lapse in their time.
    pub async fn adopt_orphans(&self, node: NodeId) -> Result<Orphans> {
        self.write(move |db| Box::pin(async move { adopt(db, node).await })).await
    }
}

async fn sweep(db: &mut Connection<'_>, node: NodeId) -> Result<Vec<Swept>> {
    // `state <> 'ended'` says it again for SQLite, which would not see that the index of open sessions fits.
    const SILENT: &str = "UPDATE sessions SET state = 'detached', carried = FALSE, \
        lapses_at = (SELECT now FROM clock) + COALESCE(ticket_ttl, 0) \
        WHERE state <> 'ended' AND state = 'live' AND node_id IN ( \
            SELECT nodes.id FROM nodes WHERE nodes.seen_at < (SELECT now FROM clock) - $1)";
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

    seen(db, node).await?;
    db.run(sql(SILENT).bind(Store::SILENCE)).await?;
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
    // All audit records last: see `write_down`.
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

/// Ends a lapsed session, unless something happened to it in between.
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

async fn adopt(db: &mut Connection<'_>, node: NodeId) -> Result<Orphans> {
    const DETACH: &str = "UPDATE sessions SET state = 'detached', carried = FALSE, \
        lapses_at = (SELECT now FROM clock) + ticket_ttl \
        WHERE node_id = $1 AND state <> 'ended' AND state = 'live' AND ticket IS NOT NULL AND kill_reason IS NULL";
    const LAPSE: &str = "UPDATE sessions SET lapses_at = (SELECT now FROM clock) \
        WHERE node_id = $1 AND state <> 'ended' AND (ticket IS NULL OR kill_reason IS NOT NULL)";
    const LET_GO: &str =
        "UPDATE sessions SET carried = FALSE WHERE node_id = $1 AND state <> 'ended' AND carried";
    seen(db, node).await?;
    let detached = db.run(sql(DETACH).bind(node)).await?;
    let lapsed = db.run(sql(LAPSE).bind(node)).await?;
    db.run(sql(LET_GO).bind(node)).await?;
    Ok(Orphans { detached, lapsed })
}

async fn seen(db: &mut Connection<'_>, node: NodeId) -> Result<()> {
    const SEEN: &str = "INSERT INTO nodes (id, seen_at) VALUES ($1, (SELECT now FROM clock)) \
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at";
    db.run(sql(SEEN).bind(node)).await.map(drop)
}
