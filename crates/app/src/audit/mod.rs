//! The audit: its records, and the requests that were refused as bad.

mod records;
pub mod refusals;

use std::sync::Arc;

use crate::access::Access;
use crate::core::Core;

/// The audit.
pub struct Audit {
    core: Arc<Core>,
    access: Arc<Access>,
}

impl Audit {
    pub(crate) fn new(core: Arc<Core>, access: Arc<Access>) -> Arc<Self> {
        Arc::new(Self { core, access })
    }
}
