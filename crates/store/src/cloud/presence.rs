//! Presence: which node a device is joined at.

use transom_model::cloud::CloudAddress;
use transom_model::id::NodeId;

use crate::database::sql;
use crate::{Result, Store};

impl Store {
    /// A device proved to be this address while the address had this version: raises the epoch and answers it. `None`
    /// where the address was changed, reset or removed meanwhile: what was proved no longer counts.
    pub async fn join_address(
        &self,
        address: &CloudAddress,
        version: u64,
        node: NodeId,
    ) -> Result<Option<u64>> {
        const JOIN: &str = "UPDATE cloud_addresses SET epoch = epoch + 1, node_id = $1, \
            last_seen = (SELECT now FROM clock) WHERE address = $2 AND version = $3 RETURNING epoch";
        let address = address.clone();
        self.write(move |db| {
            Box::pin(async move {
                let row = db.first(sql(JOIN).bind(node).bind(&address).bind(version)).await?;
                row.map(|mut row| row.count()).transpose()
            })
        })
        .await
    }

    /// The device that joined under this epoch is gone. False where a newer one has joined, or the address is removed.
    pub async fn leave_address(&self, address: &CloudAddress, epoch: u64) -> Result<bool> {
        const LEAVE: &str = "UPDATE cloud_addresses SET node_id = NULL, last_seen = (SELECT now FROM clock) \
            WHERE address = $1 AND epoch = $2 AND node_id IS NOT NULL";
        let address = address.clone();
        self.write(move |db| {
            Box::pin(async move { Ok(db.run(sql(LEAVE).bind(&address).bind(epoch)).await? == 1) })
        })
        .await
    }

    /// At start: nobody is joined at this node, whatever its earlier process wrote. Answers how many it had.
    pub async fn forget_presence(&self, node: NodeId) -> Result<u64> {
        const FORGET: &str = "UPDATE cloud_addresses SET node_id = NULL WHERE node_id = $1";
        self.write(move |db| Box::pin(async move { db.run(sql(FORGET).bind(node)).await })).await
    }
}
