//! Time that passes at once.

use std::time::Duration;

use tokio::time::{advance, pause, resume};

/// Lets `span` pass at once for every timer of this runtime, and then goes on at the usual pace.
///
/// The clock stands still only for as long as this takes: a clock that is paused while sockets are waited for would run ahead
/// to the next timer, whatever that is for. Needs the current-thread runtime of `#[tokio::test]`. What is to time out must
/// have begun to wait: await something that shows it first.
pub async fn pass(span: Duration) {
    pause();
    advance(span).await;
    resume();
}
