//! The revision: how a node learns that it may carry sessions that should end.

use transom_model::EndReason;
use transom_model::id::NodeId;

use crate::database::{Connection, sql};
use crate::session::{Hold, moved, standing, verdict};
use crate::{Result, Store, StoreError};

/// A session that a node should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToEnd {
    /// The hold to end: the connection under this turn or an older one.
    pub hold: Hold,
    /// Why.
    pub reason: EndReason,
}

impl Store {
    /// A number that rises with everything that may end sessions. Poll this; when it has risen, ask `to_end`.
    pub async fn revision(&self) -> Result<i64> {
        match self.first(sql("SELECT value FROM counters WHERE name = 'revision'")).await? {
            Some(mut row) => row.value(),
            None => Err(StoreError::Corrupt("no revision".to_owned())),
        }
    }

    /// This node's open sessions which their grant, key or instance no longer allows, which lead to where their instance
    /// no longer is, or which were killed, replayed or taken over at another node. Cut what is connected; [`end`](Self::end) each of them: for one that was taken
    /// over, that only counts its bytes.
    pub async fn to_end(&self, node: NodeId) -> Result<Vec<ToEnd>> {
        const TO_END: &str = concat!(
            "SELECT sessions.id, sessions.turn, ",
            verdict!(),
            " FROM ",
            standing!(),
            " WHERE sessions.node_id = $1 AND sessions.state <> 'ended' AND ",
            verdict!(),
            " IS NOT NULL UNION ALL SELECT sessions.id, sessions.turn, ",
            moved!(),
            " FROM ",
            standing!(),
            " WHERE sessions.node_id = $1 AND sessions.state <> 'ended' AND ",
            verdict!(),
            " IS NULL AND ",
            moved!(),
            // A page that is still on its way there is told when it arrives, and keeps its ticket.
            " IS NOT NULL AND (sessions.state = 'live' OR sessions.ticket IS NULL) UNION ALL SELECT takeovers.session_id, takeovers.turn, 'taken-over' \
             FROM takeovers WHERE takeovers.node_id = $1"
        );
        let rows = self.all(sql(TO_END).bind(node)).await?;
        rows.into_iter()
            .map(|mut row| {
                let hold = Hold { session: row.parsed()?, turn: row.value()? };
                Ok(ToEnd { hold, reason: row.parsed()? })
            })
            .collect()
    }
}

/// Raises the revision and answers it, in the transaction of what may end sessions: after its changes, before its audit
/// record.
pub(crate) async fn raise(db: &mut Connection<'_>) -> Result<i64> {
    const RAISE: &str = "UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value";
    match db.first(sql(RAISE)).await? {
        Some(mut row) => row.value(),
        None => Err(StoreError::Corrupt("no revision".to_owned())),
    }
}
