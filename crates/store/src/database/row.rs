//! A row that is read column by column in the order of selection.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::types::{FromSql, Value, ValueRef};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};
use transom_model::Timestamp;
use transom_model::instance::Sealed;

use crate::{Result, StoreError};

/// A row and the position of its next column.
pub(crate) struct Row {
    row: Either,
    next: usize,
}

enum Either {
    Sqlite(Vec<Value>),
    Postgres(PgRow),
}

/// A type as which a column can be read.
pub(crate) trait Column: FromSql + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

impl<T> Column for T where T: FromSql + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

impl From<Vec<Value>> for Row {
    fn from(row: Vec<Value>) -> Self {
        Self { row: Either::Sqlite(row), next: 0 }
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self { row: Either::Postgres(row), next: 0 }
    }
}

impl Row {
    /// Reads the next column.
    pub(crate) fn value<T: Column>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        match &self.row {
            Either::Sqlite(row) => {
                let value = row.get(index).map_or(ValueRef::Null, ValueRef::from);
                T::column_result(value).map_err(|error| StoreError::Corrupt(error.to_string()))
            }
            Either::Postgres(row) => {
                row.try_get(index).map_err(|error| StoreError::Corrupt(error.to_string()))
            }
        }
    }

    /// Reads the next column and parses its text.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&mut self) -> Result<T> {
        self.value::<String>().and_then(|text| parse(&text))
    }

    /// Reads the next column and parses its text, which may be NULL.
    pub(crate) fn parsed_or_null<T: FromStr<Err: Display>>(&mut self) -> Result<Option<T>> {
        self.value::<Option<String>>()?.map(|text| parse(&text)).transpose()
    }

    /// Reads the next column as a time.
    pub(crate) fn time(&mut self) -> Result<Timestamp> {
        self.value().map(Timestamp)
    }

    /// Reads the next column as a time, which may be NULL.
    pub(crate) fn time_or_null(&mut self) -> Result<Option<Timestamp>> {
        Ok(self.value::<Option<i64>>()?.map(Timestamp))
    }

    /// Reads the next column as a duration, which may be NULL. A negative duration becomes zero.
    pub(crate) fn span_or_null(&mut self) -> Result<Option<Duration>> {
        let micros = self.value::<Option<i64>>()?;
        Ok(micros.map(|micros| Duration::from_micros(micros.try_into().unwrap_or(0))))
    }

    /// Reads the next column as a sealed secret, which may be NULL.
    pub(crate) fn sealed_or_null(&mut self) -> Result<Option<Sealed>> {
        Ok(self.value::<Option<Vec<u8>>>()?.map(Sealed))
    }

    /// Reads the next column as a non-negative number.
    pub(crate) fn count<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let number = self.value::<i64>()?;
        T::try_from(number).map_err(|_| StoreError::Corrupt(format!("the count {number}")))
    }

    /// Reads the next column as a non-negative number, which may be NULL.
    pub(crate) fn count_or_null<T: TryFrom<i64>>(&mut self) -> Result<Option<T>> {
        let number = self.value::<Option<i64>>()?;
        number
            .map(|number| T::try_from(number).map_err(|_| StoreError::Corrupt(format!("the count {number}"))))
            .transpose()
    }
}

/// Parses a text. The error names the type and its grammar but does not quote the text.
fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T> {
    text.parse().map_err(|error: T::Err| StoreError::Corrupt(error.to_string()))
}
