//! The scenarios for each gateway, and their measurements.

mod bulk;
mod events;
mod idle;
mod sessions;
mod stalled;

use anyhow::Result;

use crate::peer::Peer;
use crate::viewer::Viewer;

/// The names and values of the figures.
pub(crate) type Measured = Vec<(&'static str, f64)>;

/// A load on a gateway.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Peer) -> Result<Measured>,
}

/// All scenarios, in the order of a round.
pub(crate) const ALL: [Scenario; 6] = [
    Scenario { name: "to-viewer", run: bulk::to_viewer },
    Scenario { name: "to-instance", run: bulk::to_instance },
    Scenario { name: "events", run: events::run },
    Scenario { name: "sessions", run: sessions::run },
    Scenario { name: "idle", run: idle::run },
    Scenario { name: "stalled", run: stalled::run },
];

/// The number of parallel threads: enough to occupy both sides without a queue in front of the
/// gateway.
const AT_ONCE: usize = 8;

/// Opens this many sessions, several at once.
pub(crate) fn open(peer: &Peer, count: usize) -> Result<Vec<Viewer>> {
    in_threads(count, |number| Viewer::open(&peer.door, number))
}

/// Calls `work` for each number below `count`, several at once.
pub(crate) fn in_threads<T: Send>(count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let work = &work;
    std::thread::scope(|scope| {
        let part = |first| {
            scope.spawn(move || (first..count).step_by(AT_ONCE).map(work).collect::<Result<Vec<T>>>())
        };
        let threads: Vec<_> = (0..AT_ONCE).map(part).collect();
        let mut all = Vec::with_capacity(count);
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow::anyhow!("a viewer's thread panicked"))??);
        }
        Ok(all)
    })
}
