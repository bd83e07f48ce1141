//! A node's record.

use transom_model::id::NodeId;

/// A life of a node. Its holds name it, so the node does not mistake a hold of an earlier life
/// for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// The node.
    pub id: NodeId,
    /// Increases with each life.
    pub incarnation: i64,
}

/// A starting node's knowledge of its previous life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// Unknown: another process may be running under the id.
    Unknown,
    /// The process that ran under the id has ended.
    Over,
    /// This process ran under the id, in this incarnation.
    Own(i64),
}

/// A node's record in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The node and its life.
    pub node: Node,
    /// Its latest beat.
    pub beat: i64,
    /// Its state.
    pub state: NodeState,
}

/// A node's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Carries sessions and accepts new ones.
    Live,
    /// Carries sessions and accepts no new ones.
    Draining,
    /// Carries no sessions.
    Gone,
}

impl NodeState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Live, Self::Draining, Self::Gone];

    /// The state's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }
}
