//! The enforcement of an address's version on every node.

use transom_model::cloud::CloudAddress;

use super::Scope;
use crate::database::sql;
use crate::{Node, Result, Store};

impl Store {
    /// Records that this node has ended everything that had to end up to this revision.
    pub async fn note_enforced(&self, node: Node, revision: i64) -> Result<()> {
        const NOTE: &str = "UPDATE nodes SET enforced = $3 WHERE id = $1 AND incarnation = $2";
        let note = sql(NOTE).bind(node.id).bind(node.incarnation).bind(revision);
        self.write(move |db| Box::pin(async move { db.run(note).await.map(drop) })).await
    }

    /// Returns whether every living node enforces the address's present version. Returns `None` if
    /// the address does not exist.
    ///
    /// A node that is gone has ended its sessions and does not count. A new address is enforced at
    /// once, because nodes read it from the store.
    pub async fn address_in_force(&self, scope: &Scope, address: &CloudAddress) -> Result<Option<bool>> {
        let found =
            sql("SELECT NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.enforced < cloud_addresses.revision \
            AND nodes.state <> 'gone') FROM cloud_addresses")
            .push_value(" WHERE address = ", address);
        self.first(scope.push_to(found)).await?.map(|mut row| row.value()).transpose()
    }
}
