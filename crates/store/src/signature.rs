//! Accepted signatures. Each is accepted only once across all nodes.

use std::time::Duration;

use transom_model::secret::TokenDigest;

use crate::database::sql;
use crate::{Result, Store};

impl Store {
    /// Records a signature for the duration `keep`. Returns false if it is already recorded.
    pub async fn note_signature(&self, digest: TokenDigest, keep: Duration) -> Result<bool> {
        const NOTE: &str = "INSERT INTO used_signatures (digest, expires_at) SELECT $1, now + $2 FROM clock \
            WHERE 1 = 1 ON CONFLICT DO NOTHING";
        self.write(move |db| {
            Box::pin(async move { Ok(db.run(sql(NOTE).bind(digest).bind(keep)).await? > 0) })
        })
        .await
    }

    /// Deletes at most `limit` signatures whose time has passed. Call it again while it deletes as
    /// many as the limit.
    pub async fn delete_old_signatures(&self, limit: u32) -> Result<u64> {
        const OLD: &str = "DELETE FROM used_signatures WHERE digest IN ( \
            SELECT digest FROM used_signatures WHERE expires_at <= (SELECT now FROM clock) \
            ORDER BY expires_at LIMIT $1)";
        self.write(move |db| Box::pin(async move { db.run(sql(OLD).bind(limit)).await })).await
    }
}
