//! The memory of a raw listener that could not be reached.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The time for which an unreachable raw listener is not tried again. Networks change by the hour.
const AVOIDED: Duration = Duration::from_secs(10 * 60);

/// The server's raw listener, if it could not be reached lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnreachedRelay(Arc<Mutex<Option<Unreached>>>);

#[derive(Debug)]
struct Unreached {
    relay: String,
    until: Instant,
}

impl UnreachedRelay {
    pub(crate) fn may_try(&self, relay: &str, now: Instant) -> bool {
        let unreached = self.0.lock();
        let avoided =
            unreached.as_ref().is_some_and(|unreached| unreached.relay == relay && now < unreached.until);
        !relay.is_empty() && !avoided
    }

    pub(crate) fn avoid(&self, relay: &str, now: Instant) {
        *self.0.lock() = Some(Unreached { relay: relay.to_owned(), until: now + AVOIDED });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_listener_is_tried_again_after_ten_minutes() {
        let (relays, now) = (UnreachedRelay::default(), Instant::now());
        assert!(relays.may_try("a:1", now));
        relays.avoid("a:1", now);
        assert!(!relays.may_try("a:1", now));
        assert!(relays.may_try("b:1", now), "another one may be reached");
        assert!(relays.may_try("a:1", now + AVOIDED));
        assert!(!UnreachedRelay::default().may_try("", now), "there is none");
    }
}
