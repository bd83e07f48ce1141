//! Bulk: the CPU seconds of a gigabyte.

use std::io::Write as _;

use anyhow::Result;

use super::Measured;
use crate::peer::Peer;
use crate::rfb::{self, Update};
use crate::viewer::Viewer;

const GB: f64 = 1e9;
/// The number of updates: 512 MiB of pixels are about half a second of CPU, so the clock's
/// resolution does not show.
const UPDATES: u64 = 8192;
/// The number of texts: 96 MiB of clipboard. websockify needs five seconds for a gigabyte.
const TEXTS: u64 = 1536;
/// The updates before the measurement: the first bytes find cold caches and small windows.
const WARM_UP: u64 = 64;
const TEXT: usize = 64 * 1024;

/// Measures updates of 64 KiB from the guest.
pub(super) fn to_viewer(peer: &Peer) -> Result<Measured> {
    let mut viewer = Viewer::open(&peer.door, 0)?;
    let mut stream = |count: u64| {
        viewer.send(&rfb::cut_text(format!("stream {count}").as_bytes()))?;
        viewer.skip(count * Update::BULK.len() as u64)
    };
    stream(WARM_UP)?;
    let before = peer.tree.cpu()?;
    stream(UPDATES)?;
    let spent = peer.tree.cpu()? - before;
    Ok(vec![("to-viewer", spent * GB / (UPDATES * Update::BULK.len() as u64) as f64)])
}

/// Measures clipboard texts of 64 KiB from the viewer, each in one frame.
pub(super) fn to_instance(peer: &Peer) -> Result<Measured> {
    let mut viewer = Viewer::open(&peer.door, 0)?;
    let message = rfb::cut_text(&vec![b'x'; TEXT]);
    // Masked beforehand, since the viewer should cost little beside the gateway.
    let wire = viewer.wire(&message);
    let mut paste = |count: u64| {
        for _ in 0..count {
            viewer.socket.write_all(&wire)?;
        }
        // The answer shows that all of it has arrived.
        viewer.send(&rfb::update_request())?;
        viewer.skip(Update::PIXEL.len() as u64)
    };
    paste(WARM_UP)?;
    let before = peer.tree.cpu()?;
    paste(TEXTS)?;
    let spent = peer.tree.cpu()? - before;
    Ok(vec![("to-instance", spent * GB / (TEXTS * message.len() as u64) as f64)])
}
