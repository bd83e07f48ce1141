//! Ends of connections that the store has not been told yet.

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
    /// It may be carried on.
    Detached,
    /// It is over.
    Ended(EndReason, Box<AuditEntry>),
}

/// Settlements that the store could not be told: without them, it would take the sessions for live.
///
/// There are at most as many as this node had sessions when the database became unreachable, since
/// no session begins without it.
#[derive(Default)]
pub(crate) struct Debts(Mutex<VecDeque<Settlement>>);

impl Debts {
    /// Keeps a settlement until the store takes it.
    pub(crate) fn owe(&self, settlement: Settlement) {
        self.0.lock().push_back(settlement);
    }

    /// The settlement that is owed the longest.
    pub(crate) fn oldest(&self) -> Option<Settlement> {
        self.0.lock().front().cloned()
    }

    /// Strikes the oldest out.
    pub(crate) fn strike(&self) {
        self.0.lock().pop_front();
    }
}
