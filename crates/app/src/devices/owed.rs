//! Leaves that are owed to the store.

use std::collections::VecDeque;

use parking_lot::Mutex;
use transom_model::cloud::CloudAddress;

/// Leaves that the store could not be told: without them it would take the devices for joined.
///
/// There are at most as many as were joined here when the database became unreachable, since no
/// device joins without it. Each names the epoch of its join, so a late one does not undo a later
/// join.
#[derive(Default)]
pub(crate) struct Owed(Mutex<VecDeque<(CloudAddress, u64)>>);

impl Owed {
    /// Keeps a leave until the store takes it.
    pub(crate) fn add(&self, address: CloudAddress, epoch: u64) {
        self.0.lock().push_back((address, epoch));
    }

    /// The leaves that are owed the longest, up to so many.
    pub(crate) fn oldest(&self, most: usize) -> Vec<(CloudAddress, u64)> {
        self.0.lock().iter().take(most).cloned().collect()
    }

    /// Strikes so many of the oldest out.
    pub(crate) fn strike(&self, count: usize) {
        self.0.lock().drain(..count);
    }
}
