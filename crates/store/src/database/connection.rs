//! A connection to either database, and what its errors mean to us.

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Sqlite, SqliteConnection, query::Query};

use super::sql::Value;
use super::{Row, Sql};
use crate::{Cause, Result, StoreError};

/// A connection, within a transaction where one was begun.
pub(crate) enum Connection<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Connection<'_> {
    /// Every row of the answer.
    pub(crate) async fn all(&mut self, sql: Sql) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(connection) => {
                let rows = sqlite_query(sql).fetch_all(&mut **connection).await.map_err(fault)?;
                Ok(rows.into_iter().map(Row::from).collect())
            }
            Self::Postgres(connection) => {
                let rows = postgres_query(sql).fetch_all(&mut **connection).await.map_err(fault)?;
                Ok(rows.into_iter().map(Row::from).collect())
            }
        }
    }

    /// The first row of the answer. A statement that changes rows has changed all of them before it gives one.
    pub(crate) async fn first(&mut self, sql: Sql) -> Result<Option<Row>> {
        match self {
            Self::Sqlite(connection) => {
                let row = sqlite_query(sql).fetch_optional(&mut **connection).await.map_err(fault)?;
                Ok(row.map(Row::from))
            }
            Self::Postgres(connection) => {
                let row = postgres_query(sql).fetch_optional(&mut **connection).await.map_err(fault)?;
                Ok(row.map(Row::from))
            }
        }
    }

    /// How many rows were changed.
    pub(crate) async fn run(&mut self, sql: Sql) -> Result<u64> {
        match self {
            Self::Sqlite(connection) => {
                let done = sqlite_query(sql).execute(&mut **connection).await.map_err(fault)?;
                Ok(done.rows_affected())
            }
            Self::Postgres(connection) => {
                let done = postgres_query(sql).execute(&mut **connection).await.map_err(fault)?;
                Ok(done.rows_affected())
            }
        }
    }
}

macro_rules! query {
    ($name:ident, $database:ty) => {
        fn $name(sql: Sql) -> Query<'static, $database, <$database as sqlx::Database>::Arguments> {
            // The text is made of our own literals: see `Sql`.
            let query = sqlx::query(AssertSqlSafe(sql.text));
            sql.values.into_iter().fold(query, |query, value| match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
                Value::Bool(value) => query.bind(value),
            })
        }
    };
}
query!(sqlite_query, Sqlite);
query!(postgres_query, Postgres);

/// What an error of the database means to us. Only its message and code are kept: the details of PostgreSQL's errors
/// quote rows.
pub(super) fn fault(error: sqlx::Error) -> StoreError {
    let sqlx::Error::Database(error) = error else {
        return StoreError::Unavailable(Cause::new(error.to_string()));
    };
    match error.kind() {
        ErrorKind::UniqueViolation => StoreError::Conflict("it exists already"),
        ErrorKind::ForeignKeyViolation => StoreError::NotFound("what it belongs to does not exist"),
        _ => StoreError::Unavailable(cause(&*error)),
    }
}

fn cause(error: &dyn DatabaseError) -> Cause {
    let code = error.code().unwrap_or_default();
    // PostgreSQL, Appendix A: serialization_failure and deadlock_detected. The same transaction may work when it runs again.
    let passing = matches!(code.as_ref(), "40001" | "40P01");
    Cause { text: format!("{} ({code})", error.message()), passing }
}

/// What an operation read was changed by another transaction before it could act on it; it should run again.
pub(crate) fn raced() -> StoreError {
    StoreError::Unavailable(Cause { text: "the row keeps changing".to_owned(), passing: true })
}
