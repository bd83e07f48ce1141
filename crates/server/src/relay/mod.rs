//! The relay: devices join here, and the bytes of their sessions pass through. It moves what it cannot read.
//!
//! ```text
//! entrance     the two upgrades: /tunnel/v1/control and /tunnel/v1/data
//!   ├── control      one agent or connector from its proof to its end
//!   │     └── rendezvous   a ticket for each session, on which its two data connections meet
//!   └── carry        both directions of a session between devices
//! repeater     devices and viewers that speak the UltraVNC repeater's protocol
//! console      the gateway's way to a device: it is a connector with a key of its own
//! ```

mod carry;
mod console;
mod control;
pub mod entrance;
mod rendezvous;
pub mod repeater;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use crate::app::App;
use rendezvous::Pending;

/// What brings devices and viewers together.
#[derive(Clone)]
pub struct Relay {
    app: Arc<App>,
    tasks: TaskTracker,
    pending: Arc<Mutex<HashMap<[u8; 16], Pending>>>,
}

impl Relay {
    /// A relay whose connections run in these tasks.
    #[must_use]
    pub fn new(app: Arc<App>, tasks: TaskTracker) -> Self {
        Self { app, tasks, pending: Arc::default() }
    }
}
