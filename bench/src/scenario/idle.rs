//! Idle sessions: the memory of each, untouched and after a burst.
//!
//! Buffers that were never written occupy no memory yet, so the figure after a burst is the true
//! one.

use std::time::Duration;

use anyhow::Result;

use super::{Measured, open};
use crate::peer::Peer;
use crate::rfb::{self, Update};

/// The number of updates of 64 KiB in a burst: a screen that is drawn.
const BURST: u64 = 4;
/// The time until the allocator has returned freed memory.
const REST: Duration = Duration::from_millis(1500);

/// Measures the KiB of each session.
pub(super) fn run(peer: &Peer) -> Result<Measured> {
    // The first sessions make the gateway allocate memory that does not belong to them.
    drop(open(peer, 20)?);
    crate::pause(REST);
    let count = peer.kind.idle_sessions();
    let base = peer.tree.pss()?;
    let mut viewers = open(peer, count)?;
    crate::pause(REST);
    let idle = peer.tree.pss()?;
    for viewer in &mut viewers {
        viewer.send(&rfb::cut_text(format!("stream {BURST}").as_bytes()))?;
        viewer.skip(BURST * Update::BULK.len() as u64)?;
    }
    crate::pause(REST);
    let burst = peer.tree.pss()?;
    let each = |pss: f64| (pss - base) / count as f64;
    Ok(vec![("idle", each(idle)), ("idle-after-burst", each(burst))])
}
