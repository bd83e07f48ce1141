//! Drafts: reservations that are still waiting to be written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use transom_model::audit::AuditEntry;

/// A reservation on its way to the disk. A session that goes live before the reservation is written
/// is recorded once, as live.
#[derive(Clone, Default)]
pub(super) struct Draft(Arc<Mutex<State>>);

/// A weak reference to a draft, which ends with the draft.
#[derive(Clone, Debug)]
pub(crate) struct DraftOf(Weak<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The audit record of the session's start; `None` until it starts.
    start: Option<AuditEntry>,
    /// True once the reservation is written and can no longer change.
    written: bool,
}

impl Draft {
    pub(super) fn way(&self) -> DraftOf {
        DraftOf(Arc::downgrade(&self.0))
    }

    /// Closes the draft and returns the record of the session's start. `None` means that the
    /// session is written as reserved. A transaction that runs again receives the same result.
    pub(super) fn written(&self) -> Option<AuditEntry> {
        let mut state = lock(&self.0);
        state.written = true;
        state.start.clone()
    }
}

impl DraftOf {
    /// Makes the draft a live session. Returns false if it was already written as reserved.
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

/// Two references are equal if they refer to the same reservation.
impl PartialEq for DraftOf {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DraftOf {}
