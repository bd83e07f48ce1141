//! The connections that agents keep ready.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::arrival::Arrived;

/// All that are kept, by their agent's serial number.
pub(super) type Kept = Arc<Mutex<HashMap<u64, Vec<Waiting>>>>;

/// One that waits for a session.
pub(super) struct Waiting {
    pub(super) id: [u8; 16],
    pub(super) take: oneshot::Sender<oneshot::Sender<Arrived>>,
}

/// One that was taken for a session.
pub(super) struct Reserve {
    /// What the agent knows it by.
    pub(super) id: [u8; 16],
    pub(super) stream: oneshot::Receiver<Arrived>,
}
