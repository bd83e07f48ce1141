//! The heartbeat: says to the other nodes that this one lives, ends what lapsed, and writes down what is owed.
//!
//! A node that the store has not heard for [`Store::SILENCE`](transom_store::Store::SILENCE) is dead to the others: what is revoked no longer reaches
//! its sessions, and their pages may be let in elsewhere. So it ends them itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{Interval, timeout};
use tokio_util::sync::CancellationToken;
use transom_model::EndReason;
use transom_store::Store;
use transom_tunnel::{Fault, Refusal};

use super::{App, watch};

/// Reservations and detached sessions lapse by the minute; a few seconds late hurts nobody.
const BEAT: Duration = Duration::from_secs(5);

/// How often the store's account of this node is compared with what the node carries; after a missed beat, at once.
const COMPARE: Duration = Duration::from_secs(30);

/// Runs until told to stop.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let silence = app.config.limits.silence;
    let mut pulse = watch::interval(BEAT);
    // The other nodes count by the database's clock, which goes on while a program is held up.
    let mut heard = Instant::now();
    let mut compared = Some(Instant::now());
    loop {
        let beat = tokio::select! {
            () = stop.cancelled() => return,
            beat = app.beat(&mut pulse) => beat,
        };
        match beat {
            Some(begun) => {
                heard = begun;
                // What is still owed then has to wait for the next beat.
                let _ = timeout(BEAT, app.settle_debts()).await;
                if compared.is_none_or(|at| at.elapsed() >= COMPARE) && app.compare().await {
                    compared = Some(begun);
                }
            }
            None => {
                compared = None;
                if heard.elapsed() >= silence {
                    app.give_up();
                }
            }
        }
    }
}

impl App {
    /// One beat. When it was begun, where the store has heard it: the store's own time of it is not earlier.
    async fn beat(&self, pulse: &mut Interval) -> Option<Instant> {
        pulse.tick().await;
        let begun = Instant::now();
        match self.sweep().await {
            Ok(more) => {
                if more {
                    pulse.reset_immediately();
                }
                Some(begun)
            }
            Err(error) => {
                tracing::warn!(%error, "the database did not hear this node; it tries again");
                None
            }
        }
    }

    /// Ends some of what lapsed; whether there may be more.
    async fn sweep(&self) -> super::Result<bool> {
        let round = self.store.sweep(self.node).await?;
        self.store.forget_silent_presence().await?;
        let more = round.len() >= Store::SWEEP as usize;
        for swept in round {
            self.metrics.session_ended(swept.reason);
            tracing::info!(session = %swept.session, grant = %swept.grant, reason = %swept.reason, "session lapsed");
        }
        Ok(more)
    }

    /// Mends what the store has wrong of this node; whether it could.
    async fn compare(&self) -> bool {
        match timeout(BEAT, self.reconcile_presence()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database's devices could not be compared with this node's");
                false
            }
            Err(_) => false,
        }
    }

    fn give_up(&self) {
        let sessions = self.live.count();
        if sessions > 0 {
            tracing::error!(
                sessions,
                "the database has been out of reach for a minute; this node ends its sessions"
            );
        }
        self.live.cut_all(&EndReason::StoreUnavailable.into());
        // The other nodes no longer wait for this one to enforce what changed.
        let lost =
            Refusal::from(Fault::CloudConnectivityError).because("the server cannot reach its database");
        self.devices.send_away(&lost);
    }
}
