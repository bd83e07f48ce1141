//! The events of a connector.

use std::io;
use std::time::Duration;

use transom_tunnel::{PublicKey, Refusal};

use crate::pipe::Ending;

/// An event in a connector or one of its sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer can be reached: viewers may connect.
    Ready,
    /// The server is lost for this reason. The connector tries again after this delay, and sessions
    /// go on.
    Waiting(Refusal, Duration),
    /// The connector accepts no more viewers, for this reason, and will not try again. Sessions go
    /// on; [`Connector::run`](crate::Connector::run) returns when the last of them ends.
    Shut(Refusal),
    /// A viewer has reached the device.
    Opened {
        /// The peer's key.
        key: PublicKey,
        /// The words that two people compare. They are the same at the other end.
        phrase: String,
        /// True if the peer showed this key for the first time.
        new: bool,
        /// The reason why a new key could not be stored. The connector knows the key until the
        /// program ends, and stores it as soon as that is possible.
        unsaved: Option<io::ErrorKind>,
    },
    /// A viewer connected, but the device cannot be reached.
    Failed(Refusal),
    /// A viewer's session has ended.
    Closed(Ending),
}
