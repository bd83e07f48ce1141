//! New sessions: opened up to the first pixel and closed, several at once.

use anyhow::Result;

use super::{Measured, in_threads};
use crate::peer::Peer;
use crate::viewer::Viewer;

const WARM_UP: usize = 40;

/// Measures the CPU of each session, from its first byte to its last.
pub(super) fn run(peer: &Peer) -> Result<Measured> {
    let sessions = peer.kind.new_sessions();
    let visit = |number| Viewer::open(&peer.door, number).map(drop);
    in_threads(WARM_UP, visit)?;
    let before = peer.tree.cpu()?;
    in_threads(sessions, visit)?;
    // The gateway ends a session a moment after the viewer, and that work belongs to the session.
    crate::pause(std::time::Duration::from_millis(500));
    let spent = peer.tree.cpu()? - before;
    Ok(vec![("session-cpu", spent * 1e3 / sessions as f64)])
}
