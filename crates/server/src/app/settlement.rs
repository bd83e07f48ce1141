//! Settlements: how a connection ended is written down, if not at once then as soon as the database answers again.

use std::collections::VecDeque;

use parking_lot::Mutex;
use transom_model::EndReason;
use transom_model::audit::AuditEntry;
use transom_store::{Ending, Hold, Traffic};

use super::App;
use super::error::{Error, Result};

/// How a connection ended, for the store.
#[derive(Clone, Debug)]
pub(crate) struct Settlement {
    pub(crate) hold: Hold,
    pub(crate) traffic: Traffic,
    pub(crate) how: How,
}

/// What its end means for the session.
#[derive(Clone, Debug)]
pub(crate) enum How {
    /// It may be carried on.
    Detached,
    /// It is over.
    Ended(EndReason, Box<AuditEntry>),
}

/// Settlements that the store could not be told: without them, it would take the sessions for live.
///
/// There are at most as many as this node had sessions when the database went away, since none begins without it.
#[derive(Default)]
pub(crate) struct Debts(Mutex<VecDeque<Settlement>>);

impl App {
    /// Writes a settlement down; one that the database cannot take now is owed.
    pub(crate) async fn settle(&self, settlement: Settlement) -> Result<()> {
        let settled = self.write_settlement(&settlement).await;
        if let Err(Error::Unavailable(_)) = settled {
            self.debts.0.lock().push_back(settlement);
        }
        settled
    }

    /// Writes down what is owed, as far as the database takes it. Only the heartbeat calls this.
    pub(super) async fn settle_debts(&self) {
        self.settle_revocations().await;
        self.settle_sessions().await;
        if let Err(error) = self.settle_leaves().await {
            tracing::warn!(%error, "leaves of devices are still owed to the database");
        }
    }

    async fn settle_sessions(&self) {
        loop {
            let Some(owed) = self.debts.0.lock().front().cloned() else { return };
            match self.write_settlement(&owed).await {
                Err(Error::Unavailable(_)) => return,
                Err(error) => {
                    let session = owed.hold.session;
                    tracing::error!(%error, %session, "the end of a session could not be written down");
                }
                Ok(()) => {}
            }
            self.debts.0.lock().pop_front();
        }
    }

    async fn write_settlement(&self, settlement: &Settlement) -> Result<()> {
        let Settlement { hold, traffic, how } = settlement;
        let ending = match how {
            How::Detached => self.store.detach(*hold, *traffic).await?,
            How::Ended(reason, audit) => self.store.end(*hold, *reason, *traffic, audit).await?,
        };
        if let Ending::Ended(reason) = ending {
            self.metrics.session_ended(reason);
        }
        Ok(())
    }
}
