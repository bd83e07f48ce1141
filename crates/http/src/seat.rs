//! A connection's slot in the budget, for work that continues after the answer.

use std::sync::Arc;

use transom_net::budget::Notice;

/// Holds the slot that a connection had as HTTP. A slow refusal costs as much of a connection as
/// the request did.
#[derive(Clone)]
pub struct Seat {
    _held: Arc<dyn Send + Sync>,
    notice: Notice,
}

impl Seat {
    /// Makes a seat that keeps `held` and gives it up once `notice` says so.
    pub fn new(held: impl Send + Sync + 'static, notice: Notice) -> Self {
        Self { _held: Arc::new(held), notice }
    }

    /// Does the work while the slot is held. Returns whether the work was completed.
    pub async fn hold_during(self, work: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            () = work => true,
            () = self.notice.served() => false,
        }
    }
}
