//! The schema's version: brought up to this program's, never down.

use rusqlite::TransactionBehavior;
use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migrator};

use super::sqlite::fault;
use crate::{Cause, Result, StoreError};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Applies what is missing. The migrator takes an advisory lock, so that two nodes may start at once.
pub(super) async fn migrate_postgres(connection: &mut PgConnection) -> Result<()> {
    POSTGRES.run_direct(None, connection, false).await.map_err(|error| sentence(error, &POSTGRES))
}

/// Applies what is missing, all of it or nothing. What was applied is kept in the table that PostgreSQL's migrator uses
/// as well.
pub(super) fn migrate_sqlite(connection: &mut rusqlite::Connection) -> Result<()> {
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, \
        description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, \
        success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";
    const APPLIED: &str = "SELECT version, CAST(checksum AS BLOB) FROM _sqlx_migrations";
    const APPLY: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        VALUES ($1, $2, TRUE, $3, -1)";

    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
    transaction.execute_batch(TABLE).map_err(fault)?;
    let applied = transaction
        .prepare(APPLIED)
        .and_then(|mut select| {
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(i64, Vec<u8>)>>>()
        })
        .map_err(fault)?;
    for (version, checksum) in &applied {
        let wrong = match SQLITE.iter().find(|migration| migration.version == *version) {
            None => MigrateError::VersionMissing(*version),
            Some(known) if known.checksum != *checksum => MigrateError::VersionMismatch(*version),
            Some(_) => continue,
        };
        return Err(sentence(wrong, &SQLITE));
    }
    for migration in SQLITE.iter() {
        if applied.iter().any(|(version, _)| *version == migration.version) {
            continue;
        }
        transaction.execute_batch(migration.sql.as_str()).map_err(fault)?;
        let applied = (migration.version, &migration.description, &migration.checksum);
        transaction.execute(APPLY, applied).map_err(fault)?;
    }
    transaction.commit().map_err(fault)
}

fn sentence(error: MigrateError, migrator: &Migrator) -> StoreError {
    let newest = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    match error {
        MigrateError::VersionMissing(version) if version > newest => StoreError::Unusable(format!(
            "the database was written by a newer Transom (its schema has version {version}, this program knows \
             {newest}): run that Transom, or restore a backup of before the upgrade"
        )),
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => {
            StoreError::Unusable(format!(
                "version {version} of the database's schema is not the one that this program knows: it is not \
                 Transom's database, or was made by an unreleased build"
            ))
        }
        other => StoreError::Unavailable(Cause::new(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_have_the_same_migrations() {
        let names = |migrator: &Migrator| {
            migrator.iter().map(|m| (m.version, m.description.clone())).collect::<Vec<_>>()
        };
        assert_eq!(names(&SQLITE), names(&POSTGRES));
    }
}
