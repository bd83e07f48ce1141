//! The bell between the use cases and the watch. A use case that may end something on this node
//! rings it, so the watch does not wait for its next poll.

use tokio::sync::Notify;

/// The bell. Rings that the watch has not heard yet count as one.
#[derive(Default)]
pub(crate) struct Signals(Notify);

impl Signals {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits for the next ring. Returns at once if the bell rang since the last wait.
    pub(crate) async fn rung(&self) {
        self.0.notified().await;
    }
}
