//! Waiting for another part's progress: by its event, with a deadline that only a fault reaches.

use std::time::Duration;

use tokio::time::{interval, timeout};

/// A deadline longer than any working step takes on the busiest machine.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The interval of checks on a state without an event.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Returns the output of `event`.
///
/// # Panics
/// Panics if it does not come in time.
pub async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, event).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// Waits until `holds` returns true, for a state without an event.
///
/// # Panics
/// Panics if it does not come to hold in time.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        let mut look = interval(LOOK_EVERY);
        while !holds() {
            look.tick().await;
        }
    })
    .await;
}

/// Lets `span` of real time pass, in which `ending` must not complete. It is for acceptance tests
/// of long-lasting states.
///
/// # Panics
/// Panics if it comes.
pub async fn lasts<T: std::fmt::Debug>(what: &str, span: Duration, ending: impl Future<Output = T>) {
    if let Ok(ended) = timeout(span, ending).await {
        panic!("{what} did not last for {span:?}: {ended:?}");
    }
}
