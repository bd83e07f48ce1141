//! The two databases behind one face: the same SQL text runs on both, and values and rows are the same types.
//!
//! An operation is written once, over a [`Connection`]. What differs lies in `sqlite` and `postgres` (how a connection
//! is opened and a transaction made) and in the migrations (types, and the `clock` view that every expiry is judged by).

mod connection;
mod postgres;
mod readers;
mod row;
mod schema;
mod sql;
mod sqlite;
mod writer;

use futures_util::future::BoxFuture;

pub(crate) use connection::{Connection, raced};
pub(crate) use row::Row;
pub use schema::SchemaPlan;
pub(crate) use sql::{Bind, Sql, sql};

use crate::url::Kind;
use crate::{DatabaseUrl, Result};

/// One of the two.
///
/// PostgreSQL's futures take many KiB. They have boxes here, because a future keeps room for everything that it may ever
/// wait for, and a session waits for the store but a few times in its life.
pub(crate) enum Database {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

/// The body of a transaction. It is cloned where it may have to run again.
pub(crate) trait Operation<T>:
    for<'a> FnOnce(&'a mut Connection<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static
{
}

impl<T, F> Operation<T> for F where
    F: for<'a> FnOnce(&'a mut Connection<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static
{
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

    /// What opening it would do to its schema. Nothing is changed.
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

    /// Runs one statement that looks at most one row up by a key.
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

    /// As [`write`](Self::write), for an answer that nobody is in a hurry for.
    ///
    /// On SQLite it waits a moment for company, since all wait for one disk; PostgreSQL gathers commits by itself.
    pub(crate) async fn write_unhurried<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write_unhurried(operation).await,
            Self::Postgres(_) => self.write(operation).await,
        }
    }

    /// Lets an operation happen, durable a moment later, before every other that is asked for from now on.
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

    /// Fails where nothing can be written any more, although reading might still work.
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
