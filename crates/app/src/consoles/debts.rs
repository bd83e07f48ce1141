//! Ends of connections that the store has not recorded yet.

use std::collections::VecDeque;

use parking_lot::Mutex;
use transom_model::EndReason;
use transom_model::audit::AuditEntry;
use transom_store::{Hold, Traffic};

/// The end of a connection, for the store.
#[derive(Clone, Debug)]
pub(crate) struct Settlement {
    pub(crate) hold: Hold,
    pub(crate) traffic: Traffic,
    pub(crate) how: How,
}

/// The consequence for the session.
#[derive(Clone, Debug)]
pub(crate) enum How {
    /// The viewer may return and continue the session.
    Detached,
    /// The session is over.
    Ended(EndReason, Box<AuditEntry>),
}

/// Settlements that the store could not record. Until it does, it considers the sessions live.
///
/// There are at most as many as this node had sessions when the database became unreachable, since
/// no session begins without it.
#[derive(Default)]
pub(crate) struct Debts(Mutex<VecDeque<Settlement>>);

impl Debts {
    /// Adds a settlement that the store must still record.
    pub(crate) fn owe(&self, settlement: Settlement) {
        self.0.lock().push_back(settlement);
    }

    /// Returns the oldest settlement.
    pub(crate) fn oldest(&self) -> Option<Settlement> {
        self.0.lock().front().cloned()
    }

    /// Removes the oldest settlement.
    pub(crate) fn strike(&self) {
        self.0.lock().pop_front();
    }
}
