//! SQLite's readers: a few connections, each used by one thread at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::{aborted, closed, store_error};
use super::file::{BUSY_TIMEOUT, File};
use super::statement::rows;
use crate::Result;
use crate::database::{Row, Sql};

/// The number of readers. Reads are short and mostly served from memory, so two processor cores
/// keep no more of them busy.
const READERS: u32 = 4;

/// Read-only connections, opened on first use.
pub(super) struct Readers {
    file: File,
    /// A permit for each possible connection.
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<rusqlite::Connection>>>,
}

impl Readers {
    pub(super) fn new(file: File) -> Self {
        Self { file, permits: Arc::new(Semaphore::new(READERS as usize)), idle: Arc::default() }
    }

    /// Runs a statement. If the caller stops waiting, the statement still runs to its end and
    /// retains its permit.
    pub(super) async fn read(&self, sql: Sql) -> Result<Vec<Row>> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let (file, idle) = (self.file.clone(), Arc::clone(&self.idle));
        let reading = tokio::task::spawn_blocking(move || {
            let waiting = lock(&idle).pop();
            let connection = waiting.map_or_else(|| file.connect_to_read(), Ok)?;
            let found = rows(&connection, &sql, usize::MAX)?;
            // After a failure the connection is dropped, because its state is unknown.
            lock(&idle).push(connection);
            drop(permit);
            Ok(found)
        });
        reading.await.map_err(|_| aborted())?
    }

    /// Looks up at most one row by a key. The lookup is mostly served from memory and takes less
    /// time on this thread than waking another one. If another process has locked the file, the
    /// lookup moves to a thread that may wait.
    pub(super) async fn read_one(&self, sql: Sql) -> Result<Option<Row>> {
        match self.read_one_here(&sql) {
            Some(Err(error)) if error.is_transient() => {}
            Some(found) => return found,
            None => {}
        }
        Ok(self.read(sql).await?.into_iter().next())
    }

    /// Runs the lookup on this thread. Returns `None` if no connection is idle.
    fn read_one_here(&self, sql: &Sql) -> Option<Result<Option<Row>>> {
        let _permit = self.permits.try_acquire().ok()?;
        let connection = lock(&self.idle).pop()?;
        let patiently = |patience| connection.busy_timeout(patience).map_err(store_error);
        let found = patiently(Duration::ZERO)
            .and_then(|()| rows(&connection, sql, 1))
            .and_then(|found| patiently(BUSY_TIMEOUT).map(|()| found.into_iter().next()));
        if found.is_ok() {
            lock(&self.idle).push(connection);
        }
        Some(found)
    }

    /// Waits for running reads and closes every connection.
    pub(super) async fn close(&self) {
        let all = self.permits.acquire_many(READERS).await;
        self.permits.close();
        drop(all);
        lock(&self.idle).clear();
    }
}

fn lock(idle: &Mutex<Vec<rusqlite::Connection>>) -> MutexGuard<'_, Vec<rusqlite::Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
