//! A session between two devices: whatever one side sends, the other gets, no faster than it takes it.

use tokio_util::sync::CancellationToken;

use crate::stream::Stream;

/// Read size is the largest lever on cost; the memory is held while the session lives, twice.
const READ: usize = 32 * 1024;

/// Carries until both sides are done, one is lost, or the session is cut.
pub(super) async fn carry(mut agent: Stream, mut connector: Stream, cut: CancellationToken) -> &'static str {
    tokio::select! {
        () = cut.cancelled() => "cut",
        done = tokio::io::copy_bidirectional_with_sizes(&mut agent, &mut connector, READ, READ) => match done {
            Ok(_) => "closed",
            Err(_) => "lost",
        },
    }
}
