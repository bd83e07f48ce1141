//! Ready connections: data connections that agents have opened in advance.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::arrival::Arrived;

/// All ready connections, by the serial numbers of their agents.
pub(super) type ReadyConnections = Arc<Mutex<HashMap<u64, Vec<Ready>>>>;

/// A connection that waits for its session.
pub(super) struct Ready {
    pub(super) id: [u8; 16],
    pub(super) take: oneshot::Sender<oneshot::Sender<Arrived>>,
}

/// A connection that was taken for a session.
pub(super) struct Reserve {
    /// The id by which the agent knows it.
    pub(super) id: [u8; 16],
    pub(super) stream: oneshot::Receiver<Arrived>,
}
