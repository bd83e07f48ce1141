//! The relay: devices join here, and it carries the bytes of their sessions, which it cannot read
//! if they are encrypted end to end.
//!
//! ```text
//! entrance     the two upgrades: /tunnel/v1/control and /tunnel/v1/data
//!   ├── control      one agent or connector from its proof to its end
//!   │     └── rendezvous   a ticket for each session, on which its two data connections meet
//!   ├── monitor      tells a connector which of its watched peers are there
//!   ├── session      one session of a connector and an agent, from its call to its last byte
//!   └── carry        both directions of a session between devices
//!         └── one_way      one of them: through the bulk mover, and no faster than its limit
//! raw          data connections without HTTP and TLS around them
//! standby      data connections that agents have ready for a next session
//! arrival      data connections on their way, and their recipients; ready: those that wait
//! repeater     devices and viewers that speak the UltraVNC repeater's protocol
//! console      the gateway's way to a device, as a connector with a key of its own
//! ```

mod arrival;
mod carry;
mod console;
mod control;
pub mod entrance;
mod monitor;
mod one_way;
mod pace;
pub mod raw;
mod ready;
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
use ready::ReadyConnections;
use transom_app::App;

/// The relay's state, shared by all of its connections.
#[derive(Clone)]
pub struct Relay {
    app: Arc<App>,
    tasks: TaskTracker,
    pending: Arc<Mutex<HashMap<[u8; 16], Pending>>>,
    ready: ReadyConnections,
    raw_address: Arc<str>,
    half_open: Arc<Budget>,
}

impl Relay {
    /// A relay whose connections run in these tasks. Devices reach its raw listener at
    /// `raw_address`, a `HOST:PORT` that is empty if there is none. Peers count in `half_open`
    /// until they have proved their identity.
    #[must_use]
    pub fn new(app: Arc<App>, tasks: TaskTracker, raw_address: String, half_open: Arc<Budget>) -> Self {
        Self {
            app,
            tasks,
            pending: Arc::default(),
            ready: Arc::default(),
            raw_address: raw_address.into(),
            half_open,
        }
    }

    fn raw_address(&self) -> &str {
        &self.raw_address
    }
}
