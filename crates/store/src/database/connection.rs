//! A connection to either database.

use sqlx::PgConnection;

use super::postgres::statement as postgres;
use super::sqlite::statement as sqlite;
use super::{Row, Sql};
use crate::{Cause, Result, StoreError};

/// A connection, inside a transaction if one was begun. SQLite responds synchronously; PostgreSQL
/// is awaited.
pub(crate) enum Connection<'c> {
    Sqlite(&'c mut rusqlite::Connection),
    Postgres(&'c mut PgConnection),
}

impl Connection<'_> {
    /// Returns every row.
    pub(crate) async fn all(&mut self, sql: Sql) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(connection) => sqlite::rows(connection, &sql, usize::MAX),
            Self::Postgres(connection) => postgres::all(connection, sql).await,
        }
    }

    /// Returns the first row. A statement that changes rows has changed all of them before it
    /// returns one.
    pub(crate) async fn first(&mut self, sql: Sql) -> Result<Option<Row>> {
        match self {
            Self::Sqlite(connection) => Ok(sqlite::rows(connection, &sql, 1)?.pop()),
            Self::Postgres(connection) => postgres::first(connection, sql).await,
        }
    }

    /// Returns the first row under a shared lock: until the transaction ends, other transactions
    /// can lock it too but not change or delete it.
    pub(crate) async fn shared(&mut self, sql: Sql) -> Result<Option<Row>> {
        match self {
            // SQLite has a single writer.
            Self::Sqlite(_) => self.first(sql).await,
            Self::Postgres(_) => self.first(sql.push(" FOR SHARE")).await,
        }
    }

    /// Returns the number of changed rows.
    pub(crate) async fn run(&mut self, sql: Sql) -> Result<u64> {
        match self {
            Self::Sqlite(connection) => sqlite::run(connection, &sql),
            Self::Postgres(connection) => postgres::run(connection, sql).await,
        }
    }
}

/// The error for an operation whose data another transaction changed before the operation could act
/// on it. The operation should run again.
pub(crate) fn raced() -> StoreError {
    StoreError::Unavailable(Cause { text: "the row keeps changing".to_owned(), transient: true })
}
