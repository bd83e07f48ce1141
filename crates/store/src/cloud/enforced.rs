//! Whether an address's version is in force at every node.

use transom_model::cloud::CloudAddress;

use super::Scope;
use crate::database::sql;
use crate::{Node, Result, Store};

impl Store {
    /// This node has ended whatever was to end since the revision reached this.
    pub async fn note_enforced(&self, node: Node, revision: i64) -> Result<()> {
        const NOTE: &str = "UPDATE nodes SET enforced = $3 WHERE id = $1 AND incarnation = $2";
        let note = sql(NOTE).bind(node.id).bind(node.incarnation).bind(revision);
        self.write(move |db| Box::pin(async move { db.run(note).await.map(drop) })).await
    }

    /// Whether every living node enforces the address as it is now; `None` where there is no such address.
    ///
    /// A node that is gone has ended what it carried and is not waited for.
    /// A new address is in force at once: whoever is asked for it reads it here.
    pub async fn address_in_force(&self, scope: &Scope, address: &CloudAddress) -> Result<Option<bool>> {
        let found =
            sql("SELECT NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.enforced < cloud_addresses.revision \
            AND nodes.state <> 'gone') FROM cloud_addresses")
            .push_value(" WHERE address = ", address);
        self.first(scope.push_to(found)).await?.map(|mut row| row.value()).transpose()
    }
}
