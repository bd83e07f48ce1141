//! The audit trail: its records, and the refusals of bad requests.

mod records;
pub mod refusals;

use std::sync::Arc;

use crate::access::Access;
use crate::core::Core;

/// The audit trail.
pub struct Audit {
    core: Arc<Core>,
    access: Arc<Access>,
}

impl Audit {
    pub(crate) fn new(core: Arc<Core>, access: Arc<Access>) -> Arc<Self> {
        Arc::new(Self { core, access })
    }
}
