//! `[zenlayer]`: the Zenlayer front door.

use serde::Deserialize;

/// The Zenlayer front door.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Zenlayer {
    /// Accepts each signature only once across all nodes. The vendor accepts one any number of
    /// times within five minutes. A program that sends the same request twice within a second signs
    /// both alike.
    pub reject_replays: bool,
}
