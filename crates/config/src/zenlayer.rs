//! `[zenlayer]`: the Zenlayer front door.

use serde::Deserialize;

/// The Zenlayer front door.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Zenlayer {
    /// Accepts each signature only once across all nodes. The vendor accepts a signature any number
    /// of times within five minutes. With this option, the second of two equal requests within a
    /// second is refused, because both have the same signature.
    pub reject_replays: bool,
}
