//! The database file and its connections.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::OpenFlags;

use super::error::store_error;
use crate::{Result, StoreError};

/// The time to wait for a lock. A backup or the operator's `sqlite3` may hold the file for a
/// moment.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// The capacity of the statement cache. It exceeds the number of distinct statements, so each
/// connection compiles each statement once.
const STATEMENTS: usize = 256;

/// The database file.
#[derive(Clone)]
pub(super) struct File(PathBuf);

impl File {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Creates the file for its owner only if it is missing. SQLite gives its auxiliary files the
    /// same mode.
    pub(super) fn create(&self) -> Result<()> {
        let created = transom_folder::own_file(&self.0);
        created.map(drop).map_err(unopened)
    }

    pub(super) fn connect(&self) -> Result<rusqlite::Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.0, flags).map_err(store_error)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // With FULL, a commit is on the disk when it returns. NORMAL with WAL could lose the latest
        // commits in a power failure. Savepoints undo little, so they need no temporary files.
        let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                        PRAGMA temp_store = MEMORY";
        connection.execute_batch(settings).map_err(store_error)?;
        Ok(connection)
    }

    /// Opens a connection that creates no file.
    pub(super) fn connect_to_examine(&self) -> Result<rusqlite::Connection> {
        if !self.0.exists() {
            return rusqlite::Connection::open_in_memory().map_err(store_error);
        }
        let mut log = self.0.clone().into_os_string();
        log.push("-wal");
        // A log beside the database means that another program may have it open and may have
        // written to the log. In that case the auxiliary files already exist.
        let how = if Path::new(&log).exists() { "mode=ro" } else { "immutable=1" };
        let path = url::Url::from_file_path(std::path::absolute(&self.0).map_err(unopened)?)
            .map_err(|()| unopened("its path is not absolute"))?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            rusqlite::Connection::open_with_flags(format!("{path}?{how}"), flags).map_err(store_error)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
        Ok(connection)
    }

    /// Opens a read-only connection.
    pub(super) fn connect_to_read(&self) -> Result<rusqlite::Connection> {
        let connection = self.connect()?;
        connection.execute_batch("PRAGMA query_only = ON").map_err(store_error)?;
        Ok(connection)
    }
}

fn unopened(why: impl std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!("the database cannot be opened: {why}"))
}
