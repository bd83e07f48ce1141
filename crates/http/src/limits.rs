//! The time that a peer of the one port may take.

use std::time::Duration;

/// A request head comes in one piece, or over a bad network in a few seconds; this is no time for a slow loris.
pub const HEAD: Duration = Duration::from_secs(10);
/// No answer of ours takes longer; a body that trickles in is cut off.
pub const ANSWER: Duration = Duration::from_secs(30);
/// Answers that are on their way when a connection is to end may take this long to arrive.
pub const FAREWELL: Duration = Duration::from_secs(5);
