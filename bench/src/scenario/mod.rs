//! What is done to each gateway, and what is measured meanwhile.

mod bulk;
mod events;
mod idle;
mod sessions;
mod stalled;

use anyhow::Result;

use crate::peer::Peer;
use crate::viewer::Viewer;

/// A figure's name and what was measured.
pub(crate) type Measured = Vec<(&'static str, f64)>;

/// One thing that is done to a gateway.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Peer) -> Result<Measured>,
}

/// In the order of a round.
pub(crate) const ALL: [Scenario; 6] = [
    Scenario { name: "to-viewer", run: bulk::to_viewer },
    Scenario { name: "to-instance", run: bulk::to_instance },
    Scenario { name: "events", run: events::run },
    Scenario { name: "sessions", run: sessions::run },
    Scenario { name: "idle", run: idle::run },
    Scenario { name: "stalled", run: stalled::run },
];

/// This many at once keep both sides busy without a queue in front of the gateway.
const AT_ONCE: usize = 8;

/// Opens so many sessions, several at once.
pub(crate) fn open(peer: &Peer, count: usize) -> Result<Vec<Viewer>> {
    in_threads(count, |number| Viewer::open(&peer.door, number))
}

/// Does something for each number below `count`, several at once.
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
