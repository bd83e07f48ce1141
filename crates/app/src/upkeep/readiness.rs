//! Readiness: tells whether this node can take on what comes.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use transom_store::{Node, Store};

/// The time for which one look serves all requests. Anyone may ask, and each look is a write.
const FRESH: Duration = Duration::from_secs(1);

/// A reason for not being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// The database does not answer.
    Silent,
    /// The database answers, and takes no writes: its disk is full, or cannot be written.
    ReadOnly,
}

/// The newest look, and when that was.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Result<(), Unready>)>>);

impl Readiness {
    /// Looks whether the store answers and takes a write of this node.
    pub(crate) async fn of(&self, store: &Store, node: Node) -> Result<(), Unready> {
        // Who comes meanwhile waits for the same look.
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
