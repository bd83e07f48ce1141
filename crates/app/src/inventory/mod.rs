//! The inventory: instances, their endpoints, credentials and metadata.

mod credentials;
pub mod instances;
pub mod metadata;
pub mod trust;

use std::sync::Arc;

use crate::access::Access;
use crate::core::Core;
use crate::revocations::Revocations;

/// The instances of all projects.
pub struct Inventory {
    core: Arc<Core>,
    revocations: Arc<Revocations>,
    access: Arc<Access>,
}

impl Inventory {
    pub(crate) fn new(core: Arc<Core>, revocations: Arc<Revocations>, access: Arc<Access>) -> Arc<Self> {
        Arc::new(Self { core, revocations, access })
    }
}
