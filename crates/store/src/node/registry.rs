//! The registry of nodes: lives, beats and declarations as gone.

use std::collections::HashMap;

use transom_model::EndReason;
use transom_model::id::{NodeId, SessionId};
use transom_model::session::SessionState;

use super::record::{Earlier, Node, NodeState, Pulse};
use crate::cloud::forget_at;
use crate::database::{Connection, Row, sql};
use crate::session::{Hold, ToEnd, adopt, bury, read_state};
use crate::{Result, Store, StoreError};

impl Store {
    /// The maximum number of holds in one query: a statement of a few KiB.
    pub const HOLDS: usize = 500;

    /// Begins a life of this node. Returns `None` if another process runs under its id. Releases
    /// everything that the store attributes to earlier lives: live sessions become detached so that
    /// their pages can return. Sessions without a ticket lapse, so the next sweep ends them and
    /// returns uses that were only reserved. No device is joined at this node any longer.
    pub async fn register_node(&self, id: NodeId, version: &str, earlier: Earlier) -> Result<Option<Node>> {
        let version = version.to_owned();
        self.write(move |db| Box::pin(async move { register(db, id, &version, earlier).await })).await
    }

    /// Records a beat of the node. Returns false if other nodes have declared it gone; it must then
    /// cut its connections.
    pub async fn beat(&self, node: Node) -> Result<bool> {
        const BEAT: &str = "UPDATE nodes SET beat = beat + 1, seen_at = (SELECT now FROM clock) \
            WHERE id = $1 AND incarnation = $2 AND state <> 'gone'";
        let beaten = sql(BEAT).bind(node.id).bind(node.incarnation);
        self.write(move |db| Box::pin(async move { Ok(db.run(beaten).await? == 1) })).await
    }

    /// Returns the current record of every node.
    pub async fn pulses(&self) -> Result<Vec<Pulse>> {
        let rows = self.all(sql("SELECT id, incarnation, beat, state FROM nodes")).await?;
        rows.into_iter().map(read).collect()
    }

    /// Declares a node gone unless its beat has changed. Returns whether this call did.
    pub async fn declare_gone(&self, pulse: Pulse) -> Result<bool> {
        const GONE: &str = "UPDATE nodes SET state = 'gone' \
            WHERE id = $1 AND incarnation = $2 AND beat = $3 AND state <> 'gone'";
        let gone = sql(GONE).bind(pulse.node.id).bind(pulse.node.incarnation).bind(pulse.beat);
        self.write(move |db| Box::pin(async move { Ok(db.run(gone).await? == 1) })).await
    }

    /// Writes a value without effect. Returns an error if the database accepts no writes.
    pub async fn try_write(&self, node: Node) -> Result<()> {
        const WRITE: &str = "UPDATE nodes SET seen_at = (SELECT now FROM clock) WHERE id = $1";
        let write = sql(WRITE).bind(node.id);
        self.write(move |db| Box::pin(async move { db.run(write).await.map(drop) })).await
    }

    /// Records that this node has ended its sessions and is stopping.
    pub async fn retire_node(&self, node: Node) -> Result<()> {
        const RETIRE: &str = "UPDATE nodes SET state = 'gone' WHERE id = $1 AND incarnation = $2";
        let retire = sql(RETIRE).bind(node.id).bind(node.incarnation);
        self.write(move |db| Box::pin(async move { db.run(retire).await.map(drop) })).await
    }

    /// Releases everything that the store attributes to nodes that are gone: sessions become
    /// detached, devices offline. Returns the number of devices.
    pub async fn let_go(&self) -> Result<u64> {
        self.write(move |db| {
            Box::pin(async move {
                bury(db).await?;
                forget_at(db, None).await
            })
        })
        .await
    }

    /// Returns those of at most [`HOLDS`](Self::HOLDS) holds of this node that the store no longer
    /// attributes to it, each with the reason.
    pub async fn lost_holds(&self, node: Node, holds: Vec<Hold>) -> Result<Vec<ToEnd>> {
        // The writer runs this query, so it sees a reservation that was posted before it.
        self.write(move |db| Box::pin(async move { lost(db, node, holds).await })).await
    }
}

async fn register(
    db: &mut Connection<'_>,
    id: NodeId,
    version: &str,
    earlier: Earlier,
) -> Result<Option<Node>> {
    // The node carries no sessions yet, so every earlier revision is enforced here.
    const AGAIN: &str = "UPDATE nodes SET incarnation = incarnation + 1, beat = beat + 1, state = 'live', version = $2, \
        seen_at = (SELECT now FROM clock), enforced = (SELECT value FROM counters WHERE name = 'revision') \
        WHERE id = $1 AND (state = 'gone' OR $3 OR incarnation = $4) RETURNING incarnation, number";
    const NUMBERED: &str = "UPDATE nodes SET number = $2 WHERE id = $1";
    const FIRST: &str = "INSERT INTO nodes (id, number, incarnation, beat, state, version, seen_at, enforced) \
        SELECT $1, $2, 1, 1, 'live', $3, now, (SELECT value FROM counters WHERE name = 'revision') \
        FROM clock WHERE 1 = 1 ON CONFLICT (id) DO NOTHING RETURNING incarnation";
    let own = match earlier {
        Earlier::Own(incarnation) => incarnation,
        // No node has this incarnation.
        Earlier::Unknown | Earlier::Over => -1,
    };
    let again = sql(AGAIN).bind(id).bind(version).bind(earlier == Earlier::Over).bind(own);
    let incarnation = match db.first(again).await? {
        Some(mut row) => {
            let incarnation = row.value()?;
            // A row of a program that did not number nodes has no number.
            if row.value::<Option<i64>>()?.is_none() {
                let number = next_number(db).await?;
                db.run(sql(NUMBERED).bind(id).bind(number)).await?;
            }
            incarnation
        }
        None => {
            let number = next_number(db).await?;
            let first = db.first(sql(FIRST).bind(id).bind(number).bind(version)).await?;
            let Some(mut row) = first else { return Ok(None) };
            row.value()?
        }
    };
    let node = Node { id, incarnation };
    adopt(db, id).await?;
    forget_at(db, Some(id)).await?;
    Ok(Some(node))
}

async fn next_number(db: &mut Connection<'_>) -> Result<i64> {
    const NUMBER: &str = "UPDATE counters SET value = value + 1 WHERE name = 'node' RETURNING value";
    match db.first(sql(NUMBER)).await? {
        Some(mut row) => row.value(),
        None => Err(StoreError::Corrupt("no counter of nodes".to_owned())),
    }
}

async fn lost(db: &mut Connection<'_>, node: Node, holds: Vec<Hold>) -> Result<Vec<ToEnd>> {
    let Some(last) = holds.last() else { return Ok(Vec::new()) };
    let mut known =
        sql("SELECT id, turn, state, end_reason, node_id, incarnation, carried FROM sessions WHERE id IN (")
            .push_value("", last.session);
    // The last hold is repeated to fill the statement, so one text serves any number of holds.
    for hold in holds.iter().chain(std::iter::repeat(last)).take(Store::HOLDS) {
        known = known.push_value(", ", hold.session);
    }
    let mut found = HashMap::new();
    for mut row in db.all(known.push(")")).await? {
        let session: SessionId = row.parsed()?;
        let standing = Standing {
            turn: row.value()?,
            state: read_state(&mut row)?,
            ended: row.parsed_or_null()?,
            node: Node { id: row.parsed()?, incarnation: row.value()? },
            carried: row.value()?,
        };
        found.insert(session, standing);
    }
    let lost = holds.into_iter().filter_map(|hold| {
        let reason = match found.get(&hold.session) {
            Some(standing) => standing.against(node, hold)?,
            None => EndReason::StoreUnavailable,
        };
        Some(ToEnd { hold, reason })
    });
    Ok(lost.collect())
}

/// A session's record in the store.
struct Standing {
    turn: i64,
    state: SessionState,
    ended: Option<EndReason>,
    node: Node,
    carried: bool,
}

impl Standing {
    /// The reason why the session does not belong to this hold. `None` if it does.
    fn against(&self, node: Node, hold: Hold) -> Option<EndReason> {
        match self.ended {
            // The node still carries it, so no viewer was lost: the sweep ended it after another
            // node declared this one gone.
            Some(EndReason::ViewerLost) => return Some(EndReason::StoreUnavailable),
            Some(reason) => return Some(reason),
            None => {}
        }
        if self.turn > hold.turn {
            return Some(EndReason::TakenOver);
        }
        let carried = self.carried || self.state == SessionState::Live;
        (!carried || self.node != node).then_some(EndReason::StoreUnavailable)
    }
}

fn read(mut row: Row) -> Result<Pulse> {
    let node = Node { id: row.parsed()?, incarnation: row.value()? };
    let beat = row.value()?;
    let word: String = row.value()?;
    let state = NodeState::ALL.into_iter().find(|state| state.as_str() == word);
    let state = state.ok_or_else(|| StoreError::Corrupt("a node's state".to_owned()))?;
    Ok(Pulse { node, beat, state })
}
