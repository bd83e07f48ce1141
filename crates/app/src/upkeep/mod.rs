//! Upkeep: keeps a node consistent with the store, and reports whether it is ready.

pub mod fencing;
pub mod heartbeat;
pub mod readiness;
pub mod watch;
mod witness;

use std::sync::Arc;

use transom_model::id::NodeId;
use transom_store::Node;

use crate::access::Access;
use crate::consoles::Consoles;
use crate::consoles::live::LiveSessions;
use crate::core::Core;
use crate::devices::Devices;
use crate::existing_cloud::ExistingCloud;
use crate::revocations::Revocations;
use readiness::Readiness;
pub use readiness::Unready;

/// A function that saves the node's id for its next start.
pub type KeepNode = Box<dyn Fn(NodeId) + Send + Sync>;

/// The node's upkeep.
pub struct Upkeep {
    core: Arc<Core>,
    live: Arc<LiveSessions>,
    revocations: Arc<Revocations>,
    access: Arc<Access>,
    devices: Arc<Devices>,
    existing_cloud: Arc<ExistingCloud>,
    consoles: Arc<Consoles>,
    keep_node: KeepNode,
    readiness: Readiness,
}

/// The parts below the upkeep.
pub(crate) struct Below {
    pub(crate) core: Arc<Core>,
    pub(crate) live: Arc<LiveSessions>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) access: Arc<Access>,
    pub(crate) devices: Arc<Devices>,
    pub(crate) existing_cloud: Arc<ExistingCloud>,
    pub(crate) consoles: Arc<Consoles>,
    pub(crate) keep_node: KeepNode,
}

impl Upkeep {
    pub(crate) fn new(below: Below) -> Arc<Self> {
        let Below { core, live, revocations, access, devices, existing_cloud, consoles, keep_node } = below;
        Arc::new(Self {
            core,
            live,
            revocations,
            access,
            devices,
            existing_cloud,
            consoles,
            keep_node,
            readiness: Readiness::default(),
        })
    }

    /// Returns the newest life of this node, ended or not.
    pub fn last_life(&self) -> Node {
        self.core.fence.last()
    }

    /// Fails with the reason if this node cannot accept sessions.
    pub async fn ready(&self) -> Result<(), Unready> {
        self.readiness.of(&self.core.store, self.core.fence.last()).await
    }
}
