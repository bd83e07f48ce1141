//! SQLite: one file, one writer, a few readers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::Value as Column;
use rusqlite::{CachedStatement, OpenFlags, ffi};

use super::readers::Readers;
use super::sql::Value;
use super::writer::Writer;
use super::{Operation, Row, SchemaPlan, Sql, schema};
use crate::{Cause, Result, StoreError};

/// Another process may hold the file for a moment (a backup, the operator's `sqlite3`).
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// More than there are texts of statements, so that each is compiled once for a connection.
const STATEMENTS: usize = 256;

/// A SQLite database.
pub(crate) struct Sqlite {
    readers: Readers,
    writer: Writer,
}

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let file = File(path.to_owned());
        // Waiting for another process's lock blocks.
        let opening = tokio::task::spawn_blocking(move || {
            file.create()?;
            let mut connection = file.connect()?;
            schema::migrate_sqlite(&mut connection)?;
            Ok((file, connection))
        });
        let (file, connection) = opening.await.map_err(|_| fault_of_ours())??;
        Ok(Self { readers: Readers::new(file.clone()), writer: Writer::start(file, connection) })
    }

    pub(super) async fn read(&self, sql: Sql) -> Result<Vec<Row>> {
        self.readers.read(sql).await
    }

    pub(super) async fn read_one(&self, sql: Sql) -> Result<Option<Row>> {
        self.readers.read_one(sql).await
    }

    pub(super) async fn write<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        self.writer.write(operation).await
    }

    pub(super) async fn write_unhurried<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        self.writer.write_unhurried(operation).await
    }

    pub(super) async fn post(&self, operation: impl Operation<()>) -> Result<()> {
        self.writer.post(operation).await
    }

    pub(super) fn check_writer(&self) -> Result<()> {
        if self.writer.is_closed() {
            return Err(closed());
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// What opening it would do to its schema. No file is made, not even those that SQLite keeps beside an open one.
pub(super) async fn examine(path: &Path) -> Result<SchemaPlan> {
    let file = File(path.to_owned());
    let examining = tokio::task::spawn_blocking(move || schema::examine_sqlite(&file.connect_to_examine()?));
    examining.await.map_err(|_| fault_of_ours())?
}

/// The file that holds the database.
#[derive(Clone)]
pub(super) struct File(PathBuf);

impl File {
    /// Makes it where it is missing, for its owner only; SQLite gives its other files the same mode.
    fn create(&self) -> Result<()> {
        let created = transom_folder::own_file(&self.0);
        created.map(drop).map_err(unopened)
    }

    pub(super) fn connect(&self) -> Result<rusqlite::Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.0, flags).map_err(fault)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // FULL: a commit is on the disk when it returns; with WAL, NORMAL could lose the last ones to a power loss.
        // What a savepoint may have to undo is small: no temporary files for it.
        let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                        PRAGMA temp_store = MEMORY";
        connection.execute_batch(settings).map_err(fault)?;
        Ok(connection)
    }

    /// A connection that does not even make a file.
    fn connect_to_examine(&self) -> Result<rusqlite::Connection> {
        if !self.0.exists() {
            return rusqlite::Connection::open_in_memory().map_err(fault);
        }
        let mut log = self.0.clone().into_os_string();
        log.push("-wal");
        // With a log beside it, a program that has it open may have written more: its files are there already.
        let how = if Path::new(&log).exists() { "mode=ro" } else { "immutable=1" };
        let path = url::Url::from_file_path(std::path::absolute(&self.0).map_err(unopened)?)
            .map_err(|()| unopened("its path is not absolute"))?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            rusqlite::Connection::open_with_flags(format!("{path}?{how}"), flags).map_err(fault)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
        Ok(connection)
    }

    /// A connection that changes nothing.
    pub(super) fn connect_to_read(&self) -> Result<rusqlite::Connection> {
        let connection = self.connect()?;
        connection.execute_batch("PRAGMA query_only = ON").map_err(fault)?;
        Ok(connection)
    }
}

fn unopened(why: impl std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!("the database cannot be opened: {why}"))
}

/// At most `limit` rows of the answer.
pub(super) fn rows(connection: &rusqlite::Connection, sql: &Sql, limit: usize) -> Result<Vec<Row>> {
    let mut statement = bound(connection, sql)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().map_err(fault)?
    {
        let columns: rusqlite::Result<Vec<Column>> = (0..columns).map(|column| row.get(column)).collect();
        found.push(Row::from(columns.map_err(fault)?));
    }
    Ok(found)
}

/// How many rows were changed.
pub(super) fn run(connection: &rusqlite::Connection, sql: &Sql) -> Result<u64> {
    // A count of rows fits.
    bound(connection, sql)?.raw_execute().map(|changed| changed as u64).map_err(fault)
}

/// To SQLite, `$2` is a name like any other: what is bound there is looked up by the number in it.
fn bound<'a>(connection: &'a rusqlite::Connection, sql: &Sql) -> Result<CachedStatement<'a>> {
    let mut statement = connection.prepare_cached(&sql.text).map_err(fault)?;
    for parameter in 1..=statement.parameter_count() {
        let name = statement.parameter_name(parameter);
        let number = name.and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = number.and_then(|number| sql.values.get(number.checked_sub(1)?));
        let value = value.ok_or_else(|| StoreError::Unavailable(Cause::new("a value is not bound")))?;
        let done = match value {
            Value::Int(value) => statement.raw_bind_parameter(parameter, value),
            Value::Text(value) => statement.raw_bind_parameter(parameter, value),
            Value::Bytes(value) => statement.raw_bind_parameter(parameter, value),
            Value::Bool(value) => statement.raw_bind_parameter(parameter, value),
        };
        done.map_err(fault)?;
    }
    Ok(statement)
}

/// What an error of SQLite's means to us.
pub(super) fn fault(error: rusqlite::Error) -> StoreError {
    let (failure, message) = match &error {
        rusqlite::Error::SqliteFailure(failure, message) => (failure, message.as_deref()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error, Some(msg.as_str())),
        // The types that a column has, and the like: none of them repeats a value.
        other => return StoreError::Unavailable(Cause::new(other.to_string())),
    };
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
            StoreError::Conflict("it exists already")
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => StoreError::NotFound("what it belongs to"),
        code => {
            let message = message.map_or_else(|| failure.to_string(), str::to_owned);
            let passing = failure.code == rusqlite::ErrorCode::DatabaseBusy;
            StoreError::Unavailable(Cause { text: format!("{message} ({code})"), passing })
        }
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable(Cause::new("the database is closed"))
}

/// A thread that was given something to do did not come back with it.
pub(super) fn fault_of_ours() -> StoreError {
    StoreError::Unavailable(Cause::new("the operation was broken off"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::sql;

    #[tokio::test]
    async fn a_commit_is_on_the_disk_when_it_returns() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sqlite = Sqlite::open(&folder.path().join("t.db")).await.expect("a database");
        for (pragma, expected) in [
            ("SELECT journal_mode = 'wal' FROM pragma_journal_mode", 1),
            // FULL
            ("SELECT synchronous FROM pragma_synchronous", 2),
            ("SELECT foreign_keys FROM pragma_foreign_keys", 1),
        ] {
            let write = sqlite.write(move |db| Box::pin(async move { db.all(sql(pragma)).await }));
            let value: i64 = write.await.expect(pragma).remove(0).value().expect(pragma);
            assert_eq!(value, expected, "{pragma}");
        }
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sqlite = Sqlite::open(&folder.path().join("t.db")).await.expect("a database");
        let refused = sqlite.read(sql("DELETE FROM settings")).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    }

    #[tokio::test]
    async fn values_are_bound_by_their_number_wherever_it_stands() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sqlite = Sqlite::open(&folder.path().join("t.db")).await.expect("a database");
        let text = "SELECT $3 || $1 || $2 || $3";
        let mut rows = sqlite.read(sql(text).bind("a").bind("b").bind("c")).await.expect(text);
        assert_eq!(rows.remove(0).value::<String>().expect(text), "cabc");
        let missing = sqlite.read(sql(text).bind("a").bind("b")).await;
        assert!(matches!(missing, Err(StoreError::Unavailable(_))));
    }
}
