//! Control of a runtime's clock.

use std::time::Duration;

use tokio::time::{advance, pause, resume};

/// Advances every timer of this runtime by `span` at once, then restores the normal pace.
///
/// The clock is paused only during this call. A clock that is paused while the runtime waits for
/// sockets would jump to the next timer, whichever that is. Requires the current-thread runtime of
/// `#[tokio::test]`. The operation that is to time out must already be waiting, so await an event
/// that proves it first.
pub async fn pass(span: Duration) {
    pause();
    advance(span).await;
    resume();
}
