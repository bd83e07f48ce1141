//! Fencing: cuts everything that a node carries before the other nodes may declare it gone.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use transom_model::EndReason;
use transom_tunnel::{Refusal, RefusalCode};

use crate::upkeep::Upkeep;

/// The longest pause between two checks of the fence. The pause uses a clock that stops while the
/// machine is suspended.
const LOOK: Duration = Duration::from_secs(1);

impl Upkeep {
    /// Ends everything that this node carries: pages, raw viewers, devices and their viewers.
    pub(crate) fn cut_everything(&self, why: &'static str) {
        // This comes first: a session that is being registered checks afterwards whether its life
        // still stands.
        if !self.core.fence.end() {
            return;
        }
        self.core.metrics.fenced.inc();
        let (sessions, devices) = (self.live.count(), self.devices.joined.count());
        tracing::error!(
            why,
            sessions,
            devices,
            "this node ends all its sessions and connections, and registers again"
        );
        self.live.cut_all(&EndReason::StoreUnavailable.into());
        let lost = Refusal::from(RefusalCode::CloudConnectivityError)
            .because("the server cannot reach its database");
        self.devices.joined.send_away(&lost);
    }
}

/// The thread that ends the node's life in time. It is separate from the runtime: after a freeze it
/// runs before the runtime handles its timers, and it depends on nothing that may be busy.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts the thread, unless the node is alone on its database.
    pub fn start(upkeep: &Arc<Upkeep>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        if upkeep.core.fence.is_alone() {
            return Ok(Self { stop, thread: None });
        }
        let (weak, stopped) = (Arc::downgrade(upkeep), Arc::clone(&stop));
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
            // The thread does not block, so it ends soon.
            let _ = thread.join();
        }
    }
}

fn watch(upkeep: &Weak<Upkeep>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let Some(upkeep) = upkeep.upgrade() else { return };
        let rest = upkeep.core.fence.rest();
        if rest == Some(Duration::ZERO) {
            upkeep.cut_everything("its heartbeat has not reached the database for too long");
        }
        drop(upkeep);
        std::thread::park_timeout(rest.filter(|rest| !rest.is_zero()).unwrap_or(LOOK).min(LOOK));
    }
}
