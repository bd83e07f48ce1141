//! The connections that agents have ready.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::arrival::Arrived;

/// All ready connections, by their agent's serial number.
pub(super) type ReadyConnections = Arc<Mutex<HashMap<u64, Vec<Ready>>>>;

/// A connection that waits for a session.
pub(super) struct Ready {
    pub(super) id: [u8; 16],
    pub(super) take: oneshot::Sender<oneshot::Sender<Arrived>>,
}

/// A connection that was taken for a session.
pub(super) struct Reserve {
    /// Its id for the agent.
    pub(super) id: [u8; 16],
    pub(super) stream: oneshot::Receiver<Arrived>,
}
