//! Whether an address's version is in force at every node.

use std::time::Duration;

use transom_model::cloud::CloudAddress;
use transom_model::id::NodeId;

use super::Scope;
use crate::database::sql;
use crate::{Result, Store};

/// Nodes say every few seconds that they live. One that has been silent for longer is not waited for.
const SILENCE: Duration = Duration::from_secs(15);

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

    /// Whether every living node enforces the address as it is now; `None` where there is no such address.
    ///
    /// A new address is in force at once: whoever is asked for it reads it here.
    pub async fn address_in_force(&self, scope: &Scope, address: &CloudAddress) -> Result<Option<bool>> {
        let found =
            sql("SELECT NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.enforced < cloud_addresses.revision \
            AND nodes.seen_at > (SELECT now FROM clock) - ")
            .push_value("", SILENCE)
            .push_value(") FROM cloud_addresses WHERE address = ", address);
        self.first(scope.push_to(found)).await?.map(|mut row| row.value()).transpose()
    }
}
