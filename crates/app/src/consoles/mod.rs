//! Consoles: links, the sessions under them, and the way from a token to an instance.

pub mod claim;
pub mod console_url;
pub mod debts;
pub mod endpoint_test;
pub mod exchange;
mod leave;
pub mod links;
pub mod live;
mod lookup;
pub mod open;
pub mod sessions;
pub mod target;
mod unsaved_endings;
pub mod visitor;

use std::sync::Arc;

use crate::access::Access;
use crate::audit::Audit;
use crate::budgets::turns::Turns;
use crate::core::Core;
use crate::devices::Devices;
use crate::existing_cloud::ExistingCloud;
use crate::inventory::Inventory;
use crate::revocations::Revocations;
use debts::Debts;
use live::LiveSessions;
use lookup::Lookups;

/// The maximum number of simultaneous tests of endpoints of one project at one node.
const TESTS_PER_PROJECT: usize = 8;
/// The maximum number of simultaneous tests of endpoints at one node.
const TESTS_IN_ALL: usize = 32;

/// Links and sessions.
pub struct Consoles {
    core: Arc<Core>,
    live: Arc<LiveSessions>,
    revocations: Arc<Revocations>,
    access: Arc<Access>,
    audit: Arc<Audit>,
    inventory: Arc<Inventory>,
    devices: Arc<Devices>,
    existing_cloud: Arc<ExistingCloud>,
    lookups: Lookups,
    /// Turns for tests of endpoints.
    tests: Turns,
    /// Ends of connections that the store does not know yet.
    debts: Debts,
}

/// The parts below the consoles.
pub(crate) struct Below {
    pub(crate) core: Arc<Core>,
    pub(crate) live: Arc<LiveSessions>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) access: Arc<Access>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) inventory: Arc<Inventory>,
    pub(crate) devices: Arc<Devices>,
    pub(crate) existing_cloud: Arc<ExistingCloud>,
}

impl Consoles {
    pub(crate) fn new(below: Below) -> Arc<Self> {
        let Below { core, live, revocations, access, audit, inventory, devices, existing_cloud } = below;
        Arc::new(Self {
            core,
            live,
            revocations,
            access,
            audit,
            inventory,
            devices,
            existing_cloud,
            lookups: Lookups::default(),
            tests: Turns::new(TESTS_PER_PROJECT, TESTS_IN_ALL),
            debts: Debts::default(),
        })
    }
}
