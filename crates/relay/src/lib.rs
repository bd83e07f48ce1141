//! The relay: devices join here, and the bytes of their sessions pass through. It moves what it cannot read.
//!
//! ```text
//! entrance     the two upgrades: /tunnel/v1/control and /tunnel/v1/data
//!   ├── control      one agent or connector from its proof to its end
//!   │     └── rendezvous   a ticket for each session, on which its two data connections meet
//!   ├── monitor      which of the peers that a connector watches are there
//!   ├── session      one between a connector and an agent, from its call to its last byte
//!   └── carry        both directions of a session between devices
//!         └── one_way      one of them: through the bulk mover, and no faster than its limit
//! raw          data connections without HTTP and TLS around them
//! standby      data connections that agents keep ready for a next session
//! arrival      data connections on their way, and who waits for them; kept: those that are ready
//! repeater     devices and viewers that speak the UltraVNC repeater's protocol
//! console      the gateway's way to a device: it is a connector with a key of its own
//! ```

mod arrival;
mod carry;
mod console;
mod control;
pub mod entrance;
mod kept;
mod monitor;
mod one_way;
mod pace;
pub mod raw;
mod rendezvous;
pub mod repeater;
mod session;
mod standby;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::task::TaskTracker;
use transom_net::budget::Budget;

use arrival::Pending;
use kept::Kept;
use transom_app::App;

/// What brings devices and viewers together.
#[derive(Clone)]
pub struct Relay {
    app: Arc<App>,
    tasks: TaskTracker,
    pending: Arc<Mutex<HashMap<[u8; 16], Pending>>>,
    kept: Kept,
    place: Arc<str>,
    half_open: Arc<Budget>,
}

impl Relay {
    /// A relay whose connections run in these tasks. `place` is where its raw listener is reached, `HOST:PORT`; empty: there is
    /// none. Who has not proved yet who it is counts as `half_open`.
    #[must_use]
    pub fn new(app: Arc<App>, tasks: TaskTracker, place: String, half_open: Arc<Budget>) -> Self {
        Self { app, tasks, pending: Arc::default(), kept: Kept::default(), place: place.into(), half_open }
    }

    fn place(&self) -> &str {
        &self.place
    }
}
