//! Limits on the time that a peer of the main port may take.

use std::time::Duration;

/// A request head arrives in one piece, or in a few seconds over a bad network. A longer limit
/// would help slow-loris attacks.
pub const HEAD: Duration = Duration::from_secs(10);
/// The time limit of every answer. It also cuts off a body that trickles in.
pub const ANSWER: Duration = Duration::from_secs(30);
/// The time that answers in progress get to arrive when a connection is to end.
pub const FAREWELL: Duration = Duration::from_secs(5);
