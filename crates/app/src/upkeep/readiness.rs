//! Readiness: checks whether this node can accept sessions.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use transom_store::{Node, Store};

/// The time for which one check serves all requests. Unauthenticated callers may ask, and each
/// check is a write.
const FRESH: Duration = Duration::from_secs(1);

/// A reason for not being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// The database does not answer.
    Silent,
    /// The database answers but accepts no writes: its disk is full or read-only.
    ReadOnly,
}

/// The result and the time of the newest check.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Result<(), Unready>)>>);

impl Readiness {
    /// Checks whether the store answers and accepts a write of this node.
    pub(crate) async fn of(&self, store: &Store, node: Node) -> Result<(), Unready> {
        // Simultaneous callers wait for the same check.
        let mut newest = self.0.lock().await;
        if let Some((at, found)) = *newest
            && at.elapsed() < FRESH
        {
            return found;
        }
        let found = look(store, node).await;
        *newest = Some((Instant::now(), found));
        found
    }
}

async fn look(store: &Store, node: Node) -> Result<(), Unready> {
    store.ping().await.map_err(|error| {
        tracing::warn!(%error, "not ready: the database does not answer");
        Unready::Silent
    })?;
    store.try_write(node).await.map_err(|error| {
        tracing::warn!(%error, "not ready: the database takes no writes");
        Unready::ReadOnly
    })
}
