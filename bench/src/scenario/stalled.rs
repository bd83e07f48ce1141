//! Stalled viewers: they ask for pixels without end and stop reading.

use std::time::Duration;

use anyhow::Result;

use super::{Measured, open};
use crate::peer::Peer;
use crate::rfb::{self, Update};

/// The number of viewers. They are few and do not stall for long, since websockify grows by 40 MB a
/// second for each.
const VIEWERS: usize = 8;
const STALL: Duration = Duration::from_secs(3);
const WARM_UP: u64 = 64;

/// Measures the gateway's growth for each viewer, in KiB.
pub(super) fn run(peer: &Peer) -> Result<Measured> {
    let mut viewers = open(peer, VIEWERS)?;
    for viewer in &mut viewers {
        viewer.send(&rfb::cut_text(format!("stream {WARM_UP}").as_bytes()))?;
        viewer.skip(WARM_UP * Update::BULK.len() as u64)?;
    }
    let before = peer.tree.pss()?;
    for viewer in &mut viewers {
        viewer.send(&rfb::cut_text(b"stream"))?;
    }
    crate::pause(STALL);
    let after = peer.tree.pss()?;
    Ok(vec![("stalled", (after - before) / VIEWERS as f64)])
}
