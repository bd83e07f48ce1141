//! The inventory: instances, their endpoints, credentials and metadata.

mod comparison;
mod credentials;
pub mod import;
pub mod instances;
pub mod metadata;
mod settings;
pub mod trust;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use transom_model::id::ProjectId;

use crate::access::Access;
use crate::core::Core;
use crate::revocations::Revocations;

/// The instances of all projects.
pub struct Inventory {
    core: Arc<Core>,
    revocations: Arc<Revocations>,
    access: Arc<Access>,
    /// The projects into which an import runs at this node.
    importing: Mutex<HashSet<ProjectId>>,
}

impl Inventory {
    pub(crate) fn new(core: Arc<Core>, revocations: Arc<Revocations>, access: Arc<Access>) -> Arc<Self> {
        Arc::new(Self { core, revocations, access, importing: Mutex::default() })
    }
}
