//! The heartbeat: says to the other nodes that this one lives, ends what lapsed, and writes down what is owed.
//!
//! A node that the store has not heard for [`Store::SILENCE`] is dead to the others: what is revoked no longer reaches
//! its sessions, and their pages may be let in elsewhere. So it ends them itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use transom_model::EndReason;
use transom_store::Store;

use super::{App, watch};

/// Reservations and detached sessions lapse by the minute; a few seconds late hurts nobody.
const BEAT: Duration = Duration::from_secs(5);

/// Runs until told to stop.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut pulse = watch::interval(BEAT);
    let mut dead_at = Instant::now() + Store::SILENCE;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            heard = app.beat(&mut pulse) => {
                dead_at = heard + Store::SILENCE;
                // What is still owed then has to wait for the next beat.
                let _ = timeout(BEAT, app.settle_debts()).await;
            }
            () = sleep_until(dead_at) => {
                app.give_up();
                dead_at = Instant::now() + Store::SILENCE;
            }
        }
    }
}

impl App {
    /// Waits for a beat that the store has heard. Answers when it was begun: the store's own time of it is not earlier.
    async fn beat(&self, pulse: &mut Interval) -> Instant {
        loop {
            pulse.tick().await;
            let begun = Instant::now();
            match self.sweep().await {
                Ok(()) => return begun,
                Err(error) => tracing::warn!(%error, "the database did not hear this node; it tries again"),
            }
        }
    }

    async fn sweep(&self) -> super::Result<()> {
        for swept in self.store.sweep(self.node).await? {
            self.metrics.session_ended(swept.reason);
            tracing::info!(session = %swept.session, grant = %swept.grant, reason = %swept.reason, "session lapsed");
        }
        Ok(())
    }

    fn give_up(&self) {
        let sessions = self.live.count();
        tracing::error!(
            sessions,
            "the database has been out of reach for a minute; this node ends its sessions"
        );
        self.live.cut_all(&EndReason::StoreUnavailable.into());
    }
}
