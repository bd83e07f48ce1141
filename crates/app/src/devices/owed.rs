//! Leaves that are owed to the store.

use std::collections::VecDeque;

use parking_lot::Mutex;
use transom_model::cloud::CloudAddress;

/// Leaves that the store could not record. Until it does, it considers the devices joined.
///
/// There are at most as many as the devices that were joined here when the database became
/// unreachable, since no device joins without it. Each names the epoch of its join, so a late one
/// does not undo a later join.
#[derive(Default)]
pub(crate) struct Owed(Mutex<VecDeque<(CloudAddress, u64)>>);

impl Owed {
    /// Adds a leave that the store must still record.
    pub(crate) fn add(&self, address: CloudAddress, epoch: u64) {
        self.0.lock().push_back((address, epoch));
    }

    /// Returns up to `most` of the leaves, the oldest first.
    pub(crate) fn oldest(&self, most: usize) -> Vec<(CloudAddress, u64)> {
        self.0.lock().iter().take(most).cloned().collect()
    }

    /// Removes the `count` oldest leaves.
    pub(crate) fn strike(&self, count: usize) {
        self.0.lock().drain(..count);
    }
}
