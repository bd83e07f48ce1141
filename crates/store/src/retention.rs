//! Retention: deletes old rows in small batches.

use std::time::Duration;

use transom_model::Timestamp;

use crate::database::{Connection, sql};
use crate::{Result, Store};

/// The age of rows to delete.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Deletes grants that expired before this time, with their sessions, unless one is open.
    pub grants_before: Timestamp,
    /// Deletes audit records from before this time, except the newest record.
    pub audit_before: Timestamp,
    /// The maximum number of each kind per call.
    pub limit: u32,
}

/// The time for which a node that is gone stays listed.
const GONE_NODES: Duration = Duration::from_secs(24 * 60 * 60);

/// The numbers of deleted rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Grants.
    pub grants: u64,
    /// Audit records.
    pub audit_records: u64,
}

impl Store {
    /// Deletes old rows. Call it again while it deletes as many as the limit.
    pub async fn delete_old(&self, retention: Retention) -> Result<Deleted> {
        self.write(move |db| Box::pin(async move { delete(db, retention).await })).await
    }
}

async fn delete(db: &mut Connection<'_>, retention: Retention) -> Result<Deleted> {
    const GRANTS: &str = "DELETE FROM grants WHERE id IN ( \
        SELECT id FROM grants WHERE expires_at < $1 \
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.grant_id = grants.id AND sessions.state <> 'ended') \
        ORDER BY expires_at LIMIT $2)";
    // The oldest records have the smallest numbers, so the query reads only those. The newest
    // record stays, because the next number is derived from it.
    const AUDIT: &str = "DELETE FROM audit WHERE at < $1 AND seq < (SELECT MAX(seq) FROM audit) \
        AND seq IN (SELECT seq FROM audit ORDER BY seq LIMIT $2)";
    // A day is enough for an operator to notice that a node is gone. Its sessions were released
    // long before.
    const NODES: &str = "DELETE FROM nodes WHERE state = 'gone' AND seen_at < (SELECT now FROM clock) - $1 \
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.node_id = nodes.id AND sessions.state <> 'ended') \
        AND NOT EXISTS (SELECT 1 FROM cloud_addresses WHERE cloud_addresses.node_id = nodes.id)";
    db.run(sql(NODES).bind(GONE_NODES)).await?;
    let grants = db.run(sql(GRANTS).bind(retention.grants_before).bind(retention.limit)).await?;
    let audit_records = db.run(sql(AUDIT).bind(retention.audit_before).bind(retention.limit)).await?;
    Ok(Deleted { grants, audit_records })
}
