//! SQLite's readers: a few connections, each used by one thread at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::sqlite::{BUSY_TIMEOUT, File, closed, fault, fault_of_ours, rows};
use super::{Row, Sql};
use crate::Result;

/// Reads are short and mostly answered from memory: two processor cores do not keep more readers busy.
const READERS: u32 = 4;

/// Connections that only read. They are opened when they are first needed.
pub(super) struct Readers {
    file: File,
    /// One permit for each connection that may exist.
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<rusqlite::Connection>>>,
}

impl Readers {
    pub(super) fn new(file: File) -> Self {
        Self { file, permits: Arc::new(Semaphore::new(READERS as usize)), idle: Arc::default() }
    }

    /// Who stops waiting leaves the statement to its end: it goes on with its permit.
    pub(super) async fn read(&self, sql: Sql) -> Result<Vec<Row>> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let (file, idle) = (self.file.clone(), Arc::clone(&self.idle));
        let reading = tokio::task::spawn_blocking(move || {
            let waiting = lock(&idle).pop();
            let connection = waiting.map_or_else(|| file.connect_to_read(), Ok)?;
            let found = rows(&connection, &sql, usize::MAX)?;
            // After a failure it is not used again: what state it is in is then unknown.
            lock(&idle).push(connection);
            drop(permit);
            Ok(found)
        });
        reading.await.map_err(|_| fault_of_ours())?
    }

    /// At most one row. It is looked up by a key and mostly in memory: that takes less time here than another thread
    /// takes to wake up. Only where somebody else has the file for a moment is it left to one that may wait.
    pub(super) async fn read_one(&self, sql: Sql) -> Result<Option<Row>> {
        match self.read_one_here(&sql) {
            Some(Err(error)) if error.is_passing() => {}
            Some(found) => return found,
            None => {}
        }
        Ok(self.read(sql).await?.into_iter().next())
    }

    /// Nothing where no connection is idle.
    fn read_one_here(&self, sql: &Sql) -> Option<Result<Option<Row>>> {
        let _permit = self.permits.try_acquire().ok()?;
        let connection = lock(&self.idle).pop()?;
        let patiently = |patience| connection.busy_timeout(patience).map_err(fault);
        let found = patiently(Duration::ZERO)
            .and_then(|()| rows(&connection, sql, 1))
            .and_then(|found| patiently(BUSY_TIMEOUT).map(|()| found.into_iter().next()));
        if found.is_ok() {
            lock(&self.idle).push(connection);
        }
        Some(found)
    }

    /// Waits for those that read and closes every connection.
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
