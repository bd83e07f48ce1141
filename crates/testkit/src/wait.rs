//! Waiting for what another part does: by its event, with a deadline that only a fault reaches.

use std::time::Duration;

use tokio::time::{interval, timeout};

/// Nothing that works takes this long, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How often a state that tells nobody of its changes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What `event` comes to.
///
/// # Panics
/// Where it does not come in time.
pub async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, event).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// Waits until `holds`, for a state that has no event of its own.
///
/// # Panics
/// Where it does not come to hold in time.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        let mut look = interval(LOOK_EVERY);
        while !holds() {
            look.tick().await;
        }
    })
    .await;
}

/// Lets `span` of real time pass, in which `ending` must not come: for acceptance tests, which hold that something lasts.
///
/// # Panics
/// Where it comes.
pub async fn lasts<T: std::fmt::Debug>(what: &str, span: Duration, ending: impl Future<Output = T>) {
    if let Ok(ended) = timeout(span, ending).await {
        panic!("{what} did not last for {span:?}: {ended:?}");
    }
}
