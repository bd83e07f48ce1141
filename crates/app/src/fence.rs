//! The fence: a node that the others may soon declare gone ends everything that it carries before
//! they act.
//!
//! ```text
//! a beat is heard ── 45 s ──► this node cuts everything    60 s of the same beat ──► it is gone
//! ```
//! Each side counts by its own clock. A beat that finds the node declared gone also cuts
//! everything. In both cases the node then begins another life and continues.

use std::time::Duration;

use parking_lot::Mutex;
use transom_store::Node;

/// Which life of the node this is, and until when it may go on without another beat.
pub struct Fence {
    state: Mutex<State>,
    /// The time from the last beat until the node cuts everything. `None` if it is alone on its
    /// database.
    limit: Option<Duration>,
}

struct State {
    node: Node,
    stands: bool,
    until: Option<Duration>,
}

/// The time since a fixed moment, by a clock that continues while the process is stopped or the
/// machine sleeps.
pub fn now() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    // Neither clock is ever negative.
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

impl Fence {
    /// A life that began at this moment.
    pub fn new(node: Node, begun: Duration, limit: Option<Duration>) -> Self {
        let until = limit.map(|limit| begun + limit);
        Self { state: Mutex::new(State { node, stands: true, until }), limit }
    }

    /// The life under which the node may take something on; none where it has ended.
    pub(crate) fn node(&self) -> Option<Node> {
        let state = self.state.lock();
        let in_time = state.until.is_none_or(|until| now() < until);
        (state.stands && in_time).then_some(state.node)
    }

    /// The newest life, ended or not.
    pub fn last(&self) -> Node {
        self.state.lock().node
    }

    /// The newest life, unless everything was cut.
    pub(crate) fn standing(&self) -> Option<Node> {
        let state = self.state.lock();
        state.stands.then_some(state.node)
    }

    /// True where no other node judges this one.
    pub(crate) fn is_alone(&self) -> bool {
        self.limit.is_none()
    }

    /// The store has heard a beat that was begun at this moment.
    pub(crate) fn beaten(&self, begun: Duration) {
        self.state.lock().until = self.limit.map(|limit| begun + limit);
    }

    /// Another life begins.
    pub(crate) fn begin(&self, node: Node, begun: Duration) {
        let until = self.limit.map(|limit| begun + limit);
        *self.state.lock() = State { node, stands: true, until };
    }

    /// Ends the life; false where it had ended.
    pub(crate) fn end(&self) -> bool {
        std::mem::replace(&mut self.state.lock().stands, false)
    }

    /// The time for which the life may still go on; none where nothing ends it.
    pub(crate) fn rest(&self) -> Option<Duration> {
        let state = self.state.lock();
        state.until.filter(|_| state.stands).map(|until| until.saturating_sub(now()))
    }
}
