//! Nodes: which `transom serve` processes share the database, and which of them live.
//!
//! A node raises its beat every few seconds. The others call it gone once they saw the same beat for long enough by their own
//! clocks, and it ends what it carries before that: no clock is compared with another one, and the database's least of all.

use std::collections::HashMap;

use transom_model::EndReason;
use transom_model::id::{NodeId, SessionId};
use transom_model::session::SessionState;

use crate::cloud::forget_at;
use crate::database::{Connection, Row, sql};
use crate::session::{Hold, adopt, bury, read_state};
use crate::{Result, Store, StoreError, ToEnd};

/// A life of a node. Its holds name it, so that nothing of an earlier life is taken for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// The node.
    pub id: NodeId,
    /// Rises with each life.
    pub incarnation: i64,
}

/// Knowledge of a node's life before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// There is none: another process may live under the id.
    Unknown,
    /// The process that lived under the id has surely ended.
    Over,
    /// It was this process, in this incarnation.
    Own(i64),
}

/// A node as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Which life of which node.
    pub node: Node,
    /// Its newest beat.
    pub beat: i64,
    /// Its state.
    pub state: NodeState,
}

/// A state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// It carries sessions and takes new ones.
    Live,
    /// It carries sessions and takes no new ones.
    Draining,
    /// It carries nothing.
    Gone,
}

impl NodeState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Live, Self::Draining, Self::Gone];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }
}

impl Store {
    /// The most holds that one question is about: a statement of a few KiB.
    pub const HOLDS: usize = 500;

    /// Begins a life of this node; none where another process lives under its id. What the store has of its earlier lives is
    /// let go: live sessions become detached, so that their pages come back; those without a ticket lapse, so that the next
    /// sweep ends them and a use that was only reserved returns; nobody is joined here.
    pub async fn register_node(&self, id: NodeId, version: &str, earlier: Earlier) -> Result<Option<Node>> {
        let version = version.to_owned();
        self.write(move |db| Box::pin(async move { register(db, id, &version, earlier).await })).await
    }

    /// Says that the node lives; false where the others have called it gone: it must cut what it carries.
    pub async fn beat(&self, node: Node) -> Result<bool> {
        const BEAT: &str = "UPDATE nodes SET beat = beat + 1, seen_at = (SELECT now FROM clock) \
            WHERE id = $1 AND incarnation = $2 AND state <> 'gone'";
        let beaten = sql(BEAT).bind(node.id).bind(node.incarnation);
        self.write(move |db| Box::pin(async move { Ok(db.run(beaten).await? == 1) })).await
    }

    /// Every node, as the store has it now.
    pub async fn pulses(&self) -> Result<Vec<Pulse>> {
        let rows = self.all(sql("SELECT id, incarnation, beat, state FROM nodes")).await?;
        rows.into_iter().map(read).collect()
    }

    /// Calls a node gone, unless it has beaten since; whether it was this call.
    pub async fn declare_gone(&self, pulse: Pulse) -> Result<bool> {
        const GONE: &str = "UPDATE nodes SET state = 'gone' \
            WHERE id = $1 AND incarnation = $2 AND beat = $3 AND state <> 'gone'";
        let gone = sql(GONE).bind(pulse.node.id).bind(pulse.node.incarnation).bind(pulse.beat);
        self.write(move |db| Box::pin(async move { Ok(db.run(gone).await? == 1) })).await
    }

    /// Writes something that changes nothing for anybody: fails where nothing can be written.
    pub async fn try_write(&self, node: Node) -> Result<()> {
        const WRITE: &str = "UPDATE nodes SET seen_at = (SELECT now FROM clock) WHERE id = $1";
        let write = sql(WRITE).bind(node.id);
        self.write(move |db| Box::pin(async move { db.run(write).await.map(drop) })).await
    }

    /// This node has ended everything and stops.
    pub async fn retire_node(&self, node: Node) -> Result<()> {
        const RETIRE: &str = "UPDATE nodes SET state = 'gone' WHERE id = $1 AND incarnation = $2";
        let retire = sql(RETIRE).bind(node.id).bind(node.incarnation);
        self.write(move |db| Box::pin(async move { db.run(retire).await.map(drop) })).await
    }

    /// Lets go what the store still has of nodes that are gone: sessions become detached, devices offline. Answers how many
    /// devices there were.
    pub async fn let_go(&self) -> Result<u64> {
        self.write(move |db| {
            Box::pin(async move {
                bury(db).await?;
                forget_at(db, None).await
            })
        })
        .await
    }

    /// Those of this node's holds, at most [`HOLDS`](Self::HOLDS), that the store does not know as its own any more, and why.
    pub async fn lost_holds(&self, node: Node, holds: Vec<Hold>) -> Result<Vec<ToEnd>> {
        // As a writer: a reservation that was posted a moment ago has been written before this.
        self.write(move |db| Box::pin(async move { lost(db, node, holds).await })).await
    }
}

async fn register(
    db: &mut Connection<'_>,
    id: NodeId,
    version: &str,
    earlier: Earlier,
) -> Result<Option<Node>> {
    // It carries nothing yet: whatever was changed up to now is in force here.
    const AGAIN: &str = "UPDATE nodes SET incarnation = incarnation + 1, beat = beat + 1, state = 'live', version = $2, \
        seen_at = (SELECT now FROM clock), enforced = (SELECT value FROM counters WHERE name = 'revision') \
        WHERE id = $1 AND (state = 'gone' OR $3 OR incarnation = $4) RETURNING incarnation, number";
    const NUMBERED: &str = "UPDATE nodes SET number = $2 WHERE id = $1";
    const FIRST: &str = "INSERT INTO nodes (id, number, incarnation, beat, state, version, seen_at, enforced) \
        SELECT $1, $2, 1, 1, 'live', $3, now, (SELECT value FROM counters WHERE name = 'revision') \
        FROM clock WHERE 1 = 1 ON CONFLICT (id) DO NOTHING RETURNING incarnation";
    let own = match earlier {
        Earlier::Own(incarnation) => incarnation,
        // No node has this one.
        Earlier::Unknown | Earlier::Over => -1,
    };
    let again = sql(AGAIN).bind(id).bind(version).bind(earlier == Earlier::Over).bind(own);
    let incarnation = match db.first(again).await? {
        Some(mut row) => {
            let incarnation = row.value()?;
            // It was there before nodes had numbers.
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
    // The last one again and again: one text of the statement for any number of holds.
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

/// A session as the store has it.
struct Standing {
    turn: i64,
    state: SessionState,
    ended: Option<EndReason>,
    node: Node,
    carried: bool,
}

impl Standing {
    /// Why it is not this hold's; none where it is.
    fn against(&self, node: Node, hold: Hold) -> Option<EndReason> {
        if let Some(reason) = self.ended {
            return Some(reason);
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
