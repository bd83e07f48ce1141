//! The revision, from which a node learns that sessions it carries may have to end.

use crate::database::{Connection, sql};
use crate::{Result, Store, StoreError};

impl Store {
    /// Returns a number that increases with every change that may end sessions. A node polls it,
    /// and calls [`to_end`](Self::to_end) when it has increased.
    pub async fn revision(&self) -> Result<i64> {
        match self.first(sql("SELECT value FROM counters WHERE name = 'revision'")).await? {
            Some(mut row) => row.value(),
            None => Err(StoreError::Corrupt("no revision".to_owned())),
        }
    }
}

/// Raises and returns the revision. Call it in the transaction that may end sessions, after its
/// changes and before its audit record.
pub(crate) async fn raise(db: &mut Connection<'_>) -> Result<i64> {
    const RAISE: &str = "UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value";
    match db.first(sql(RAISE)).await? {
        Some(mut row) => row.value(),
        None => Err(StoreError::Corrupt("no revision".to_owned())),
    }
}
