//! The sessions that a node must end.

use transom_model::EndReason;
use transom_model::id::NodeId;

use super::{Hold, moved, standing, verdict};
use crate::database::sql;
use crate::{Result, Store};

/// A session that a node must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToEnd {
    /// The hold to end: the connection under this turn or an older one.
    pub hold: Hold,
    /// The reason.
    pub reason: EndReason,
}

impl Store {
    /// Returns this node's open sessions that must end. Their grant, key or instance no longer
    /// permits them, their instance has another endpoint, or they were killed, replayed or taken
    /// over at another node. Cut their connections and call [`end`](Self::end) for each. For a
    /// session that was taken over, `end` only adds the bytes.
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
            // A page that is still on its way learns of it on arrival and retains its ticket.
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
