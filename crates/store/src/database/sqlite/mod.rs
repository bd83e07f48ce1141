//! SQLite: one file, one writer, and a few readers.

mod error;
mod file;
mod readers;
pub(super) mod statement;
mod writer;

use std::path::Path;

pub(super) use error::store_error;
use error::{aborted, closed};
use file::File;
use readers::Readers;
use writer::Writer;

use super::{Operation, Row, SchemaPlan, Sql, schema};
use crate::Result;

/// A SQLite database.
pub(crate) struct Sqlite {
    readers: Readers,
    writer: Writer,
}

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let file = File::at(path);
        // Waiting for another process's lock blocks the thread.
        let opening = tokio::task::spawn_blocking(move || {
            file.create()?;
            let mut connection = file.connect()?;
            schema::migrate_sqlite(&mut connection)?;
            Ok((file, connection))
        });
        let (file, connection) = opening.await.map_err(|_| aborted())??;
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

/// Returns the schema changes that opening the file would make. Creates no file, not even those
/// that SQLite creates beside an open database.
pub(super) async fn examine(path: &Path) -> Result<SchemaPlan> {
    let file = File::at(path);
    let examining = tokio::task::spawn_blocking(move || schema::examine_sqlite(&file.connect_to_examine()?));
    examining.await.map_err(|_| aborted())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreError;
    use crate::database::sql;

    #[tokio::test]
    async fn a_commit_is_on_the_disk_when_it_returns() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sqlite = Sqlite::open(&folder.path().join("t.db")).await.expect("a database");
        for (pragma, expected) in [
            ("SELECT journal_mode = 'wal' FROM pragma_journal_mode", 1),
            // FULL.
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
    async fn values_are_bound_by_their_number_in_any_position() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sqlite = Sqlite::open(&folder.path().join("t.db")).await.expect("a database");
        let text = "SELECT $3 || $1 || $2 || $3";
        let mut rows = sqlite.read(sql(text).bind("a").bind("b").bind("c")).await.expect(text);
        assert_eq!(rows.remove(0).value::<String>().expect(text), "cabc");
        let missing = sqlite.read(sql(text).bind("a").bind("b")).await;
        assert!(matches!(missing, Err(StoreError::Unavailable(_))));
    }
}
