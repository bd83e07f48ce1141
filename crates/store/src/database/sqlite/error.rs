//! Errors of SQLite.

use rusqlite::ffi;

use crate::{Cause, StoreError};

/// Maps an SQLite error to a store error.
pub(in crate::database) fn store_error(error: rusqlite::Error) -> StoreError {
    let (failure, message) = match &error {
        rusqlite::Error::SqliteFailure(failure, message) => (failure, message.as_deref()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error, Some(msg.as_str())),
        // Other errors, such as a column's type mismatch. Their messages contain no values.
        other => return StoreError::Unavailable(Cause::new(other.to_string())),
    };
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
            StoreError::Conflict("the object already exists")
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => StoreError::NotFound("the object's owner"),
        code => {
            let message = message.map_or_else(|| failure.to_string(), str::to_owned);
            let transient = failure.code == rusqlite::ErrorCode::DatabaseBusy;
            StoreError::Unavailable(Cause { text: format!("{message} ({code})"), transient })
        }
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable(Cause::new("the database is closed"))
}

/// The error for a database thread that panicked.
pub(super) fn aborted() -> StoreError {
    StoreError::Unavailable(Cause::new("the operation was aborted"))
}
