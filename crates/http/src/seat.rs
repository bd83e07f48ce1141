//! A connection's slot in the budget, for work that continues after the answer.

use std::sync::Arc;

use transom_net::budget::Notice;

/// The slot of a connection in the budget of HTTP connections. Work on a refusal holds it, since a
/// slow refusal occupies a connection like the request did.
#[derive(Clone)]
pub struct Seat {
    _held: Arc<dyn Send + Sync>,
    notice: Notice,
}

impl Seat {
    /// Creates a seat that holds `held` until `notice` asks for it back.
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
