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

/// The node's current life, and the time until which it may continue without another beat.
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
    /// Creates a fence with a life that began at `begun`.
    pub fn new(node: Node, begun: Duration, limit: Option<Duration>) -> Self {
        let until = limit.map(|limit| begun + limit);
        Self { state: Mutex::new(State { node, stands: true, until }), limit }
    }

    /// Returns the life under which the node may accept new work. `None` if that life has ended.
    pub(crate) fn node(&self) -> Option<Node> {
        let state = self.state.lock();
        let in_time = state.until.is_none_or(|until| now() < until);
        (state.stands && in_time).then_some(state.node)
    }

    /// Returns the newest life, ended or not.
    pub fn last(&self) -> Node {
        self.state.lock().node
    }

    /// Returns the newest life. `None` once the node has cut everything under it.
    pub(crate) fn standing(&self) -> Option<Node> {
        let state = self.state.lock();
        state.stands.then_some(state.node)
    }

    /// Returns whether the node is alone on its database, so no other node judges it.
    pub(crate) fn is_alone(&self) -> bool {
        self.limit.is_none()
    }

    /// Notes that the store recorded a beat that began at `begun`.
    pub(crate) fn beaten(&self, begun: Duration) {
        self.state.lock().until = self.limit.map(|limit| begun + limit);
    }

    /// Begins another life.
    pub(crate) fn begin(&self, node: Node, begun: Duration) {
        let until = self.limit.map(|limit| begun + limit);
        *self.state.lock() = State { node, stands: true, until };
    }

    /// Ends the life. Returns false if it had ended before.
    pub(crate) fn end(&self) -> bool {
        std::mem::replace(&mut self.state.lock().stands, false)
    }

    /// Returns the time for which the life may continue without another beat. `None` if it has
    /// ended or has no limit.
    pub(crate) fn rest(&self) -> Option<Duration> {
        let state = self.state.lock();
        state.until.filter(|_| state.stands).map(|until| until.saturating_sub(now()))
    }
}
