//! The common interface to the two databases: both run the same SQL text with the same types of
//! values and rows.
//!
//! Each operation is written once, for a [`Connection`]. The modules `sqlite` and `postgres`
//! contain the differences in opening connections and running transactions. The migrations contain
//! the differences in types and in the `clock` view that determines every expiry.

mod connection;
mod operation;
mod postgres;
mod row;
mod schema;
mod sql;
mod sqlite;

pub(crate) use connection::{Connection, raced};
pub(crate) use operation::Operation;
pub(crate) use row::Row;
pub use schema::SchemaPlan;
pub(crate) use sql::{Bind, Sql, sql};

use crate::url::Kind;
use crate::{DatabaseUrl, Result};

/// A database of either kind.
///
/// PostgreSQL's futures are boxed here because they take many KiB. A future reserves space for
/// every future that it may await, while a session awaits the store only a few times.
pub(crate) enum Database {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Database {
    pub(crate) async fn open(url: &DatabaseUrl) -> Result<Self> {
        Ok(match url.kind() {
            Kind::Sqlite(path) => Self::Sqlite(sqlite::Sqlite::open(path).await?),
            Kind::Postgres { options, .. } => {
                Self::Postgres(postgres::Postgres::open((**options).clone()).await?)
            }
        })
    }

    /// Returns the schema changes that opening the database would make. Changes nothing.
    pub(crate) async fn examine(url: &DatabaseUrl) -> Result<SchemaPlan> {
        match url.kind() {
            Kind::Sqlite(path) => sqlite::examine(path).await,
            Kind::Postgres { options, .. } => postgres::examine((**options).clone()).await,
        }
    }

    /// Runs one statement that reads.
    pub(crate) async fn read(&self, sql: Sql) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read(sql).await,
            Self::Postgres(postgres) => Box::pin(postgres.read(sql)).await,
        }
    }

    /// Runs one statement that looks up at most one row by a key.
    pub(crate) async fn read_one(&self, sql: Sql) -> Result<Option<Row>> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read_one(sql).await,
            Self::Postgres(postgres) => Ok(Box::pin(postgres.read(sql)).await?.into_iter().next()),
        }
    }

    /// Runs an operation as one durable transaction.
    pub(crate) async fn write<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(operation).await,
            Self::Postgres(postgres) => Box::pin(postgres.write(operation)).await,
        }
    }

    /// Runs an operation like [`write`](Self::write), for a caller that is not in a hurry.
    ///
    /// SQLite delays it briefly so that several operations share a flush of the disk. PostgreSQL
    /// groups commits on its own.
    pub(crate) async fn write_unhurried<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write_unhurried(operation).await,
            Self::Postgres(_) => self.write(operation).await,
        }
    }

    /// Queues an operation ahead of all later ones and returns before it is durable.
    pub(crate) async fn post(&self, operation: impl Operation<()>) -> Result<()> {
        match self {
            Self::Sqlite(sqlite) => sqlite.post(operation).await,
            Self::Postgres(_) => self.write(operation).await,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Returns an error if the database accepts no writes, even if reads still work.
    pub(crate) fn check_writer(&self) -> Result<()> {
        match self {
            Self::Sqlite(sqlite) => sqlite.check_writer(),
            Self::Postgres(_) => Ok(()),
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }
}
