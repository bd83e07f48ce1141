//! The schema: applied migrations, whether this program can run on them, and the migrations to
//! apply.
//!
//! Migrations only add to a schema, so a program can run on a newer schema than it knows. Each
//! migration names the oldest program that can (`-- Oldest program: 0.1.0`, and the table
//! `schema_programs`). See `migrations/README.md`.

mod program;

use rusqlite::TransactionBehavior;
use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::sqlite::store_error;
use crate::{Cause, Result, StoreError};
use program::{Program, oldest_of};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

const HAS_MIGRATIONS: &str = "_sqlx_migrations";
const HAS_PROGRAMS: &str = "schema_programs";
const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations ORDER BY version";
const ADMITTED: &str = "SELECT version, oldest_program FROM schema_programs";
const ADMIT: &str =
    "INSERT INTO schema_programs (version, oldest_program) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING";

/// The schema changes that opening a database would make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaPlan {
    /// The newest version in the database; `None` for a new database.
    pub has: Option<i64>,
    /// The newest version that this program knows.
    pub knows: i64,
    /// The version and name of each migration to apply, in order.
    pub adds: Vec<(i64, String)>,
}

/// An applied version, and the oldest program that can run on it.
struct Applied {
    version: i64,
    checksum: Vec<u8>,
    oldest: Option<String>,
}

/// Returns the migrations to apply, or an error if this program cannot run on the database.
fn plan(applied: &[Applied], known: &Migrator, own: &Program) -> Result<SchemaPlan> {
    let migrations = || known.iter().filter(|migration| !migration.migration_type.is_down_migration());
    for Applied { version, checksum, oldest } in applied {
        match migrations().find(|migration| migration.version == *version) {
            Some(migration) if *migration.checksum == **checksum => {}
            Some(_) => return Err(foreign(*version)),
            None => admitted(*version, oldest.as_deref(), own)?,
        }
    }
    let is_missing = |migration: &&Migration| applied.iter().all(|one| one.version != migration.version);
    let adds = migrations().filter(is_missing);
    Ok(SchemaPlan {
        has: applied.iter().map(|one| one.version).max(),
        knows: migrations().map(|migration| migration.version).max().unwrap_or_default(),
        adds: adds.map(|migration| (migration.version, migration.description.to_string())).collect(),
    })
}

/// Checks whether an unknown version permits this program to run.
fn admitted(version: i64, oldest: Option<&str>, own: &Program) -> Result<()> {
    match oldest.map(str::parse::<Program>) {
        Some(Ok(oldest)) if *own >= oldest => Ok(()),
        Some(Ok(oldest)) => Err(StoreError::Unusable(format!(
            "the database was written by a newer Transom: version {version} of its schema requires transom {oldest} or later, but \
             this is transom {own}. Run that Transom, or restore a backup from before the upgrade"
        ))),
        Some(Err(_)) | None => Err(StoreError::Unusable(format!(
            "the database was written by a newer Transom: version {version} of its schema does not name the programs that can run on \
             it. Run that Transom, or restore a backup from before the upgrade"
        ))),
    }
}

fn foreign(version: i64) -> StoreError {
    StoreError::Unusable(format!(
        "version {version} of the database's schema differs from the version that this program knows: the database is not Transom's, or was \
         created by an unreleased build"
    ))
}

/// Returns the schema changes that opening the database would make.
pub(super) async fn examine_postgres(connection: &mut PgConnection) -> Result<SchemaPlan> {
    plan(&applied_in_postgres(connection).await?, &POSTGRES, &Program::own())
}

/// Applies the missing migrations. The migrator takes an advisory lock, so two nodes may start at
/// the same time.
pub(super) async fn migrate_postgres(connection: &mut PgConnection) -> Result<()> {
    tell(&examine_postgres(connection).await?);
    // The check above has admitted the versions that a newer program added.
    let mut migrator = Migrator::with_migrations(POSTGRES.iter().cloned().collect());
    migrator.set_ignore_missing(true);
    migrator.run_direct(None, connection, false).await.map_err(unmigrated)?;
    for (version, oldest) in admissions(&POSTGRES) {
        sqlx::query(ADMIT).bind(version).bind(oldest).execute(&mut *connection).await.map_err(lost)?;
    }
    Ok(())
}

async fn applied_in_postgres(connection: &mut PgConnection) -> Result<Vec<Applied>> {
    const IS_THERE: &str = "SELECT to_regclass($1) IS NOT NULL";
    let there = async |connection: &mut PgConnection, table: &'static str| {
        sqlx::query_scalar::<_, bool>(IS_THERE).bind(table).fetch_one(connection).await.map_err(lost)
    };
    if !there(connection, HAS_MIGRATIONS).await? {
        return Ok(Vec::new());
    }
    let mut oldest = Vec::new();
    if there(connection, HAS_PROGRAMS).await? {
        let rows = sqlx::query(AssertSqlSafe(ADMITTED)).fetch_all(&mut *connection).await.map_err(lost)?;
        for row in rows {
            oldest.push((row.try_get(0).map_err(lost)?, row.try_get(1).map_err(lost)?));
        }
    }
    let rows = sqlx::query(AssertSqlSafe(APPLIED)).fetch_all(connection).await.map_err(lost)?;
    rows.iter()
        .map(|row| Ok(Applied::new(row.try_get(0).map_err(lost)?, row.try_get(1).map_err(lost)?, &oldest)))
        .collect()
}

/// Returns the schema changes that opening the database would make.
pub(super) fn examine_sqlite(connection: &rusqlite::Connection) -> Result<SchemaPlan> {
    plan(&applied_in_sqlite(connection)?, &SQLITE, &Program::own())
}

/// Applies the missing migrations in one transaction. Records them in the same table as
/// PostgreSQL's migrator.
pub(super) fn migrate_sqlite(connection: &mut rusqlite::Connection) -> Result<()> {
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, \
        description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, \
        success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";
    const APPLY: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        VALUES ($1, $2, TRUE, $3, -1)";

    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let plan = examine_sqlite(&transaction)?;
    tell(&plan);
    transaction.execute_batch(TABLE).map_err(store_error)?;
    for migration in SQLITE.iter() {
        if !plan.adds.iter().any(|(version, _)| *version == migration.version) {
            continue;
        }
        transaction.execute_batch(migration.sql.as_str()).map_err(store_error)?;
        let applied = (migration.version, &migration.description, &migration.checksum);
        transaction.execute(APPLY, applied).map_err(store_error)?;
    }
    for admission in admissions(&SQLITE) {
        transaction.execute(ADMIT, admission).map_err(store_error)?;
    }
    transaction.commit().map_err(store_error)
}

fn applied_in_sqlite(connection: &rusqlite::Connection) -> Result<Vec<Applied>> {
    const IS_THERE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)";
    // Other programs may have stored the checksum as text.
    const APPLIED: &str = "SELECT version, CAST(checksum AS BLOB) FROM _sqlx_migrations ORDER BY version";
    let there = |table: &str| connection.query_row(IS_THERE, [table], |row| row.get::<_, bool>(0));
    if !there(HAS_MIGRATIONS).map_err(store_error)? {
        return Ok(Vec::new());
    }
    let mut oldest: Vec<(i64, String)> = Vec::new();
    if there(HAS_PROGRAMS).map_err(store_error)? {
        let mut admitted = connection.prepare(ADMITTED).map_err(store_error)?;
        let rows = admitted.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(store_error)?;
        oldest = rows.collect::<rusqlite::Result<_>>().map_err(store_error)?;
    }
    let mut applied = connection.prepare(APPLIED).map_err(store_error)?;
    let rows = applied.query_map([], |row| Ok(Applied::new(row.get(0)?, row.get(1)?, &oldest)));
    rows.and_then(Iterator::collect).map_err(store_error)
}

impl Applied {
    fn new(version: i64, checksum: Vec<u8>, oldest: &[(i64, String)]) -> Self {
        let oldest = oldest.iter().find(|(of, _)| *of == version).map(|(_, program)| program.clone());
        Self { version, checksum, oldest }
    }
}

/// Each known version, with the oldest program that can run on it.
fn admissions(known: &'static Migrator) -> impl Iterator<Item = (i64, &'static str)> {
    known.iter().map(|migration| (migration.version, oldest_of(migration.sql.as_str())))
}

/// Logs the plan, because a migration may take minutes on a large database.
fn tell(plan: &SchemaPlan) {
    if let (Some(has), Some((last, _))) = (plan.has, plan.adds.last()) {
        tracing::info!(
            from = has,
            to = last,
            migrations = plan.adds.len(),
            "migrating the database's schema"
        );
    }
}

fn lost(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(Cause::new(error.to_string()))
}

fn unmigrated(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => foreign(version),
        other => StoreError::Unavailable(Cause::new(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last version from before the first release. Earlier migrations are exempt from the rule.
    const BEFORE_RELEASE: i64 = 18;

    #[test]
    fn both_databases_have_the_same_migrations() {
        let names = |migrator: &Migrator| {
            let of = |m: &Migration| (m.version, m.description.clone(), oldest_of(m.sql.as_str()).to_owned());
            migrator.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(names(&SQLITE), names(&POSTGRES));
    }

    #[test]
    fn migrations_only_add_and_name_the_oldest_program() {
        for migration in SQLITE.iter().chain(POSTGRES.iter()).filter(|m| m.version > BEFORE_RELEASE) {
            let (version, text) = (migration.version, migration.sql.as_str().to_uppercase());
            assert!(text.contains("-- OLDEST PROGRAM: "), "{version} does not say");
            let statements = text.lines().filter(|line| !line.trim_start().starts_with("--"));
            let statements = statements.collect::<Vec<_>>().join("\n");
            // A migration that removes something belongs to a release in which no program needs it
            // any longer. It raises the oldest program.
            if oldest_of(migration.sql.as_str()) == "0.1.0" {
                for taking in ["DROP TABLE", "DROP COLUMN", "RENAME ", "DROP VIEW"] {
                    assert!(!statements.contains(taking), "{version} has {taking}");
                }
            }
        }
    }

    #[test]
    fn a_newer_schema_names_the_programs_that_can_run_on_it() {
        let own: Program = "0.2.1".parse().expect("a version");
        let later = |oldest: Option<&str>| {
            let mut applied: Vec<_> =
                SQLITE.iter().map(|m| Applied::new(m.version, m.checksum.to_vec(), &[])).collect();
            applied.push(Applied { version: 9999, checksum: Vec::new(), oldest: oldest.map(str::to_owned) });
            plan(&applied, &SQLITE, &own).map_err(|error| error.to_string())
        };
        for oldest in ["0.1.0", "0.2.0", "0.2.1"] {
            let plan = later(Some(oldest)).expect(oldest);
            assert_eq!((plan.has, plan.adds.len()), (Some(9999), 0), "{oldest}");
        }
        let refused = later(Some("0.10.0")).expect_err("a later program's");
        assert!(refused.contains("requires transom 0.10.0 or later, but this is transom 0.2.1"), "{refused}");
        for unknown in [None, Some("next")] {
            let refused = later(unknown).expect_err("nobody says");
            assert!(refused.contains("does not name the programs that can run on it"), "{refused}");
        }
    }
}
