//! The end of a node's life: everything that it carries is cut, in time.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_store::Node;
use transom_tunnel::{Refusal, RefusalCode};

use super::App;
use super::error::Result;

/// A suspended machine's clocks jump while the watcher waits by one that stood still: it looks at least this often.
const LOOK: Duration = Duration::from_secs(1);

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
        let lost = Refusal::from(RefusalCode::CloudConnectivityError)
            .because("the server cannot reach its database");
        self.devices.send_away(&lost);
    }
}

/// The thread that ends the node's life in time. A thread of its own: after a freeze it runs before the runtime has looked at its
/// timers, and it needs nothing that may be busy.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts, where there are other nodes that might judge this one.
    pub fn start(app: &Arc<App>) -> io::Result<Self> {
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
