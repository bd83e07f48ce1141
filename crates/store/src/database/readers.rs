//! SQLite's readers: a few connections, each used by one thread at a time.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::sqlite::{File, closed, fault_of_ours, rows};
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
            let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = waiting.map_or_else(|| file.connect_to_read(), Ok)?;
            let found = rows(&connection, sql, usize::MAX)?;
            // After a failure it is not used again: what state it is in is then unknown.
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            Ok(found)
        });
        reading.await.map_err(|_| fault_of_ours())?
    }

    /// Waits for those that read and closes every connection.
    pub(super) async fn close(&self) {
        let all = self.permits.acquire_many(READERS).await;
        self.permits.close();
        drop(all);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
