//! A connection to either database.

use sqlx::PgConnection;

use super::{Row, Sql, postgres, sqlite};
use crate::{Cause, Result, StoreError};

/// A connection, within a transaction where one was begun. SQLite's answers at once; only PostgreSQL's is waited for.
pub(crate) enum Connection<'c> {
    Sqlite(&'c mut rusqlite::Connection),
    Postgres(&'c mut PgConnection),
}

impl Connection<'_> {
    /// Every row of the answer.
    pub(crate) async fn all(&mut self, sql: Sql) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(connection) => sqlite::rows(connection, &sql, usize::MAX),
            Self::Postgres(connection) => postgres::all(connection, sql).await,
        }
    }

    /// The first row of the answer. A statement that changes rows has changed all of them before it gives one.
    pub(crate) async fn first(&mut self, sql: Sql) -> Result<Option<Row>> {
        match self {
            Self::Sqlite(connection) => Ok(sqlite::rows(connection, &sql, 1)?.pop()),
            Self::Postgres(connection) => postgres::first(connection, sql).await,
        }
    }

    /// The first row of the answer, which nobody changes or deletes until this transaction is over; others may hold it as well.
    pub(crate) async fn shared(&mut self, sql: Sql) -> Result<Option<Row>> {
        match self {
            // Of those who write there is one at a time.
            Self::Sqlite(_) => self.first(sql).await,
            Self::Postgres(_) => self.first(sql.push(" FOR SHARE")).await,
        }
    }

    /// How many rows were changed.
    pub(crate) async fn run(&mut self, sql: Sql) -> Result<u64> {
        match self {
            Self::Sqlite(connection) => sqlite::run(connection, &sql),
            Self::Postgres(connection) => postgres::run(connection, sql).await,
        }
    }
}

/// What an operation read was changed by another transaction before it could act on it; it should run again.
pub(crate) fn raced() -> StoreError {
    StoreError::Unavailable(Cause { text: "the row keeps changing".to_owned(), passing: true })
}
