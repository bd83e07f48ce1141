//! Revocations: each takes effect at this node at once, and is held until the store has recorded
//! it.

pub(crate) mod held;
mod revoking;

use std::sync::Arc;

use crate::consoles::live::LiveSessions;
use crate::core::Core;
use crate::devices::JoinedDevices;
use held::HeldRevocations;

/// Applies revocations at this node and in the store.
pub(crate) struct Revocations {
    core: Arc<Core>,
    live: Arc<LiveSessions>,
    joined: Arc<JoinedDevices>,
    pub(crate) held: HeldRevocations,
}

impl Revocations {
    pub(crate) fn new(core: Arc<Core>, live: Arc<LiveSessions>, joined: Arc<JoinedDevices>) -> Arc<Self> {
        Arc::new(Self { core, live, joined, held: HeldRevocations::default() })
    }
}
