//! SQLite: one file, one writer, a few readers.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use super::connection::{Connection, fault};
use super::writer::Writer;
use super::{Operation, Row, Sql, schema};
use crate::{Cause, OPERATION_DEADLINE, Result, StoreError};

/// Reads are short and mostly answered from memory: two processor cores do not keep more readers busy.
const READERS: u32 = 4;

/// Another process may hold the file for a moment (a backup, the operator's `sqlite3`).
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// A SQLite database.
pub(crate) struct Sqlite {
    readers: SqlitePool,
    writer: Writer,
}

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        create_private(path).map_err(|error| {
            StoreError::Unusable(format!("the database {} cannot be opened: {error}", path.display()))
        })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: a commit is on the disk when it returns; with WAL, NORMAL could lose the last ones to a power loss.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What a savepoint may have to undo is small: no temporary files for it.
            .pragma("temp_store", "MEMORY")
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();

        let mut connection = connect(&options).await?;
        schema::migrate(&schema::SQLITE, &mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(OPERATION_DEADLINE)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone().pragma("query_only", "ON"));
        Ok(Self { readers, writer: Writer::start(options, connection) })
    }

    pub(super) async fn read(&self, sql: Sql) -> Result<Vec<Row>> {
        let mut reader = self.readers.acquire().await.map_err(fault)?;
        Connection::Sqlite(&mut reader).all(sql).await
    }

    pub(super) async fn write<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        self.writer.write(operation).await
    }

    pub(super) fn check_writer(&self) -> Result<()> {
        if self.writer.is_closed() {
            return Err(StoreError::Unavailable(Cause::new("the database is closed")));
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    SqliteConnection::connect_with(options).await.map_err(fault)
}

/// Makes the file where it is missing, for its owner only; SQLite gives its other files the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map(drop)
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
}
