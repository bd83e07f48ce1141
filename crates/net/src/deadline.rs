//! Waits with a time limit.

use std::io;
use std::time::Duration;

/// Waits for a peer's action. Returns a timeout error after `limit`.
pub async fn deadline<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
