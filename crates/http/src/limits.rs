//! Limits on the time that a peer of the main port may take.

use std::time::Duration;

/// The time limit of a request head. It arrives in one piece, or within a few seconds over a bad
/// network. A longer limit would help slow-loris attacks.
pub const HEAD: Duration = Duration::from_secs(10);
/// The time limit of every answer. It also cuts off a body that trickles in.
pub const ANSWER: Duration = Duration::from_secs(30);
/// The time that answers in progress have to arrive when their connection is to end.
pub const FAREWELL: Duration = Duration::from_secs(5);
