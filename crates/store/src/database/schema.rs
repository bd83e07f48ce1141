//! The schema's version: brought up to this program's, never down.

use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::{Cause, Result, StoreError};

pub(super) static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
pub(super) static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Applies what is missing. PostgreSQL's migrator takes an advisory lock, so that two nodes may start at once.
pub(super) async fn migrate<C: Migrate>(migrator: &Migrator, connection: &mut C) -> Result<()> {
    migrator.run_direct(None, connection, false).await.map_err(|error| {
        let newest = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
        sentence(error, newest)
    })
}

fn sentence(error: MigrateError, newest: i64) -> StoreError {
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
