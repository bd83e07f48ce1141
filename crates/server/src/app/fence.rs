//! The fence: a node that the others may soon call gone ends what it carries, before they act on that.
//!
//! ```text
//! a beat is heard ──── 45 s ────► this node cuts everything            others: 60 s of the same beat ─► it is gone
//! ```
//! Each side counts by its own clock. A beat that finds the node called gone cuts everything as well; either way the node then
//! begins another life, and goes on.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_store::Node;
use transom_tunnel::{Fault, Refusal};

use super::App;
use super::error::Result;

/// A suspended machine's clocks jump while the watcher waits by one that stood still: it looks at least this often.
const LOOK: Duration = Duration::from_secs(1);

/// Which life of the node this is, and until when it may go on without another beat.
pub(crate) struct Fence {
    state: Mutex<State>,
    /// The time after its last beat when the node cuts everything; none where it is alone on its database.
    limit: Option<Duration>,
}

struct State {
    node: Node,
    stands: bool,
    until: Option<Duration>,
}

/// The time since some moment, by a clock that goes on while the process is stopped or the machine sleeps.
pub(crate) fn now() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    // Neither clock is ever negative.
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

impl Fence {
    /// A life that began at this moment.
    pub(crate) fn new(node: Node, begun: Duration, limit: Option<Duration>) -> Self {
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
    pub(crate) fn last(&self) -> Node {
        self.state.lock().node
    }

    /// The newest life, unless everything was cut.
    pub(super) fn standing(&self) -> Option<Node> {
        let state = self.state.lock();
        state.stands.then_some(state.node)
    }

    /// True where no other node judges this one.
    pub(super) fn is_alone(&self) -> bool {
        self.limit.is_none()
    }

    /// The store has heard a beat that was begun at this moment.
    pub(super) fn beaten(&self, begun: Duration) {
        self.state.lock().until = self.limit.map(|limit| begun + limit);
    }

    /// Another life begins.
    pub(super) fn begin(&self, node: Node, begun: Duration) {
        let until = self.limit.map(|limit| begun + limit);
        *self.state.lock() = State { node, stands: true, until };
    }

    /// Ends the life; false where it had ended.
    fn end(&self) -> bool {
        std::mem::replace(&mut self.state.lock().stands, false)
    }

    /// The time for which the life may still go on; none where nothing ends it.
    fn rest(&self) -> Option<Duration> {
        let state = self.state.lock();
        state.until.filter(|_| state.stands).map(|until| until.saturating_sub(now()))
    }
}

impl App {
    /// The life under which this node may take something on.
    pub(crate) fn node(&self) -> Result<Node> {
        let fenced = || End::new(EndReason::StoreUnavailable, "this node has lost touch with the database");
        self.fence.node().ok_or_else(|| fenced().into())
    }

    /// Ends everything that this node carries: pages, raw viewers, devices and their viewers.
    pub(super) fn cut_everything(&self, why: &'static str) {
        // First: what is being taken on looks afterwards whether the life it was taken on in still stands.
        if !self.fence.end() {
            return;
        }
        self.metrics.fenced.inc();
        let (sessions, devices) = (self.live.count(), self.devices.joined());
        tracing::error!(
            why,
            sessions,
            devices,
            "this node ends everything that it carries, and begins again"
        );
        self.live.cut_all(&EndReason::StoreUnavailable.into());
        let lost =
            Refusal::from(Fault::CloudConnectivityError).because("the server cannot reach its database");
        self.devices.send_away(&lost);
    }
}

/// The thread that ends the node's life in time. A thread of its own: after a freeze it runs before the runtime has looked at its
/// timers, and it needs nothing that may be busy.
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts, where there are other nodes that might judge this one.
    pub(crate) fn start(app: &Arc<App>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        if app.fence.is_alone() {
            return Ok(Self { stop, thread: None });
        }
        let (weak, stopped) = (Arc::downgrade(app), Arc::clone(&stop));
        let named = std::thread::Builder::new().name("fence".to_owned());
        let thread = named.spawn(move || watch(&weak, &stopped))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has nothing to wait for.
            let _ = thread.join();
        }
    }
}

fn watch(app: &Weak<App>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let Some(app) = app.upgrade() else { return };
        let rest = app.fence.rest();
        if rest == Some(Duration::ZERO) {
            app.cut_everything("the database has not heard it for too long");
        }
        drop(app);
        std::thread::park_timeout(rest.filter(|rest| !rest.is_zero()).unwrap_or(LOOK).min(LOOK));
    }
}
