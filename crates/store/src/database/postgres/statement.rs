//! Statements on a PostgreSQL connection.

use sqlx::AssertSqlSafe;
use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;

use crate::database::sql::Value;
use crate::database::{Row, Sql};
use crate::{Cause, Result, StoreError};

/// Returns every row.
pub(in crate::database) async fn all(connection: &mut PgConnection, sql: Sql) -> Result<Vec<Row>> {
    let rows = query(sql).fetch_all(connection).await.map_err(store_error)?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// Returns the first row.
pub(in crate::database) async fn first(connection: &mut PgConnection, sql: Sql) -> Result<Option<Row>> {
    Ok(query(sql).fetch_optional(connection).await.map_err(store_error)?.map(Row::from))
}

/// Returns the number of changed rows.
pub(in crate::database) async fn run(connection: &mut PgConnection, sql: Sql) -> Result<u64> {
    Ok(query(sql).execute(connection).await.map_err(store_error)?.rows_affected())
}

fn query(sql: Sql) -> Query<'static, sqlx::Postgres, PgArguments> {
    // The text consists of this program's literals; see `Sql`.
    let query = sqlx::query(AssertSqlSafe(sql.text));
    sql.values.into_iter().fold(query, |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
        Value::Bool(value) => query.bind(value),
    })
}

/// Maps a PostgreSQL error to a store error. It retains only the message and the code, because the
/// details quote rows.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    let sqlx::Error::Database(error) = error else {
        return StoreError::Unavailable(Cause::new(error.to_string()));
    };
    match error.kind() {
        ErrorKind::UniqueViolation => StoreError::Conflict("the object already exists"),
        ErrorKind::ForeignKeyViolation => StoreError::NotFound("the object's owner"),
        _ => StoreError::Unavailable(cause(&*error)),
    }
}

fn cause(error: &dyn DatabaseError) -> Cause {
    let code = error.code().unwrap_or_default();
    // serialization_failure and deadlock_detected (PostgreSQL, Appendix A). The same transaction
    // may succeed when it runs again.
    let transient = matches!(code.as_ref(), "40001" | "40P01");
    Cause { text: format!("{} ({code})", error.message()), transient }
}
