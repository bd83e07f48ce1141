//! A connection's place, for what goes on behind its request's answer.

use std::sync::Arc;

use transom_net::budget::Notice;

/// Holds the place that a connection had as HTTP: a refusal that takes its time is as much of a connection as the request was.
#[derive(Clone)]
pub struct Seat {
    _held: Arc<dyn Send + Sync>,
    notice: Notice,
}

impl Seat {
    /// A place that is held with `held` and given up once `notice` says so.
    pub fn new(held: impl Send + Sync + 'static, notice: Notice) -> Self {
        Self { _held: Arc::new(held), notice }
    }

    /// Does this in the place, and no longer than it is held; whether it was done.
    pub async fn hold_during(self, work: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            () = work => true,
            () = self.notice.served() => false,
        }
    }
}
