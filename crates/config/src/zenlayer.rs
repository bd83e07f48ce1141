//! `[zenlayer]`: the Zenlayer front door.

use serde::Deserialize;

/// The Zenlayer front door.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Zenlayer {
    /// Takes each signature once, at all nodes together. The vendor takes one as often as it comes within five minutes, and a
    /// program that asks the same twice within a second signs the same twice.
    pub reject_replays: bool,
}
