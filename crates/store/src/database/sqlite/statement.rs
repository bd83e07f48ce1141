//! Statements on a SQLite connection.

use rusqlite::CachedStatement;
use rusqlite::types::Value as Column;

use super::error::store_error;
use crate::database::sql::Value;
use crate::database::{Row, Sql};
use crate::{Cause, Result, StoreError};

/// Returns at most `limit` rows.
pub(in crate::database) fn rows(
    connection: &rusqlite::Connection,
    sql: &Sql,
    limit: usize,
) -> Result<Vec<Row>> {
    let mut statement = bound(connection, sql)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().map_err(store_error)?
    {
        let columns: rusqlite::Result<Vec<Column>> = (0..columns).map(|column| row.get(column)).collect();
        found.push(Row::from(columns.map_err(store_error)?));
    }
    Ok(found)
}

/// Returns the number of changed rows.
pub(in crate::database) fn run(connection: &rusqlite::Connection, sql: &Sql) -> Result<u64> {
    // A row count fits.
    bound(connection, sql)?.raw_execute().map(|changed| changed as u64).map_err(store_error)
}

/// Binds the values. SQLite treats `$2` as a name, so the value is found by the number in the name.
fn bound<'a>(connection: &'a rusqlite::Connection, sql: &Sql) -> Result<CachedStatement<'a>> {
    let mut statement = connection.prepare_cached(&sql.text).map_err(store_error)?;
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
        done.map_err(store_error)?;
    }
    Ok(statement)
}
