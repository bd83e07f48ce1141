//! Leaves: the departures of devices. They are written at once, or as soon as the database answers
//! again.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use transom_model::cloud::CloudAddress;
use transom_store::{Store, StoreError};
use transom_tunnel::Role;

use crate::devices::Devices;
use crate::error::Result;

/// The number of joined devices that one query reads.
const PAGE: u32 = 500;

impl Devices {
    /// Records that the device that joined under this epoch has left. If the database is
    /// unavailable, the leave is owed.
    pub(crate) async fn write_leave(&self, address: &CloudAddress, epoch: u64) {
        match self.core.store.leave_address(address, epoch).await {
            Ok(_) => self.joined.listeners.ring(),
            Err(StoreError::Unavailable(cause)) => {
                tracing::warn!(error = %StoreError::Unavailable(cause), %address, "a device's departure is not yet in the database");
                self.joined.leaves.add(address.clone(), epoch);
            }
            Err(error) => tracing::error!(%error, %address, "a device's departure could not be recorded"),
        }
    }

    /// Writes the owed leaves to the store. Only the heartbeat calls this.
    pub(crate) async fn settle_leaves(&self) -> Result<()> {
        loop {
            let some = self.joined.leaves.oldest(Store::LEAVES);
            if some.is_empty() {
                return Ok(());
            }
            let count = some.len();
            match self.core.store.leave_addresses(some).await {
                Err(error @ StoreError::Unavailable(_)) => return Err(error.into()),
                Err(error) => tracing::error!(%error, "departures of devices could not be recorded"),
                Ok(()) => self.joined.listeners.ring(),
            }
            self.joined.leaves.strike(count);
        }
    }

    /// Records departures of devices that the store lists as joined at this node although they are
    /// not. The store may have performed a join or a leave whose answer was lost.
    pub(crate) async fn reconcile_presence(&self) -> Result<()> {
        let mut known = Vec::new();
        loop {
            let after = known.last().map(|(address, _)| address);
            let page = self.core.store.joined_at(self.core.fence.last().id, after, PAGE).await?;
            let whole = page.len() < PAGE as usize;
            known.extend(page);
            if whole {
                break;
            }
        }
        // This comes after the query: a device is in the table before its join is written.
        let here = self.joined_here();
        let is_here = |address: &CloudAddress, epoch: u64| {
            // A device that is joining has no epoch yet.
            here.get(address).is_some_and(|epochs| epochs.iter().any(|own| *own == 0 || *own == epoch))
        };
        known.retain(|(address, epoch)| !is_here(address, *epoch));
        for some in known.chunks(Store::LEAVES) {
            tracing::warn!(
                devices = some.len(),
                "the database listed devices on this node that have left; removing them"
            );
            self.core.store.leave_addresses(some.to_vec()).await?;
            self.joined.listeners.ring();
        }
        Ok(())
    }

    fn joined_here(&self) -> HashMap<CloudAddress, Vec<u64>> {
        let table = self.joined.table.lock();
        let mut here = HashMap::<_, Vec<_>>::new();
        for member in table.members.values().filter(|member| member.role == Role::Agent) {
            here.entry(member.address.clone()).or_default().push(member.epoch.load(Ordering::Acquire));
        }
        here
    }
}
