//! Drafts: reservations that nobody waits for, until they are written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use transom_model::audit::AuditEntry;

/// A reservation on its way to the disk. A session that goes live before it arrives there is written down once, as live.
#[derive(Clone, Default)]
pub(super) struct Draft(Arc<Mutex<State>>);

/// The way to a draft, for as long as it is one.
#[derive(Clone, Debug)]
pub(crate) struct DraftOf(Weak<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The record of the session's start, where it has begun.
    start: Option<AuditEntry>,
    /// Too late to change anything.
    written: bool,
}

impl Draft {
    pub(super) fn way(&self) -> DraftOf {
        DraftOf(Arc::downgrade(&self.0))
    }

    /// What is to be written: the start's record, or none for a reservation. A transaction that runs again asks again.
    pub(super) fn written(&self) -> Option<AuditEntry> {
        let mut state = lock(&self.0);
        state.written = true;
        state.start.clone()
    }
}

impl DraftOf {
    /// Lets the session be written down as live; false where it was written down as reserved.
    pub(super) fn begin(&self, start: &AuditEntry) -> bool {
        let Some(state) = self.0.upgrade() else { return false };
        let mut state = lock(&state);
        if !state.written {
            state.start = Some(start.clone());
        }
        !state.written
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two targets are of one reservation, or of different ones.
impl PartialEq for DraftOf {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DraftOf {}
