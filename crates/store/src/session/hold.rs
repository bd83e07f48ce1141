//! Holds: the connections' claims on a session.

use transom_model::id::SessionId;

/// A connection's hold on a session. Only the newest hold may change the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The session's id.
    pub session: SessionId,
    /// Increases each time a ticket of the session is presented.
    pub turn: i64,
}
