//! Whether an address's version is in force at every node.

use transom_model::cloud::CloudAddress;
use transom_model::id::NodeId;

use super::Scope;
use crate::database::sql;
use crate::{Result, Store};

impl Store {
    /// This node has ended whatever was to end since the revision reached this.
    pub async fn note_enforced(&self, node: NodeId, revision: i64) -> Result<()> {
        const NOTE: &str = "INSERT INTO nodes (id, seen_at, enforced) SELECT $1, now, $2 FROM clock WHERE 1 = 1 \
            ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, enforced = excluded.enforced";
        self.write(move |db| {
            Box::pin(async move { db.run(sql(NOTE).bind(node).bind(revision)).await.map(drop) })
        })
        .await
    }

    /// This node has ended everything and stops: it is not waited for.
    pub async fn retire_node(&self, node: NodeId) -> Result<()> {
        const RETIRE: &str = "UPDATE nodes SET seen_at = 0 WHERE id = $1";
        self.write(move |db| Box::pin(async move { db.run(sql(RETIRE).bind(node)).await.map(drop) })).await
    }

    /// Whether every living node enforces the address as it is now; `None` where there is no such address.
    ///
    /// A node that has been silent for [`SILENCE`](Self::SILENCE) has ended its sessions itself and is not waited for.
    /// A new address is in force at once: whoever is asked for it reads it here.
    pub async fn address_in_force(&self, scope: &Scope, address: &CloudAddress) -> Result<Option<bool>> {
        let found =
            sql("SELECT NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.enforced < cloud_addresses.revision \
            AND nodes.seen_at > (SELECT now FROM clock) - ")
            .push_value("", Self::SILENCE)
            .push_value(") FROM cloud_addresses WHERE address = ", address);
        self.first(scope.push_to(found)).await?.map(|mut row| row.value()).transpose()
    }
}
