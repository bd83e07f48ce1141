//! The state of an agent, and the events of its sessions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use transom_tunnel::Refusal;

use crate::pipe::Ending;

/// The state of an agent, or an event in one of its sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// The agent is connecting to the server.
    Searching,
    /// Peers can reach the agent.
    Online,
    /// The agent is offline for this reason, and tries again after this delay.
    Waiting(Refusal, Duration),
    /// The agent is offline for this reason, and will not try again. Its sessions go on;
    /// [`Agent::run`](crate::Agent::run) returns when the last of them ends.
    SentAway(Refusal),
    /// A session with a peer has begun.
    Opened {
        /// The peer, in the form `[vnccloud:<address>]`.
        peer: String,
        /// The words that two people compare. They are the same at the other end.
        phrase: String,
        /// True if the peer showed its key for the first time.
        new: bool,
        /// The reason why a new key could not be stored. The agent knows the key until the program
        /// ends, and stores it as soon as that is possible.
        unsaved: Option<io::ErrorKind>,
    },
    /// A session failed to start.
    Refused {
        /// The peer, in the form `[vnccloud:<address>]`.
        peer: String,
        /// The reason, for people.
        why: String,
    },
    /// A session has ended.
    Closed {
        /// The peer, in the form `[vnccloud:<address>]`.
        peer: String,
        /// The way in which the session ended.
        ending: Ending,
    },
}

pub(crate) type Tell = Arc<dyn Fn(Status) + Send + Sync>;
