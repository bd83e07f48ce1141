//! Use cases: the operations of Transom, independent of the front door. They know no HTTP and no
//! dialect.
//!
//! [`App`] is a struct of parts. A part holds its own state and references to the parts below it:
//!
//! ```text
//! upkeep           heartbeat, watch, fence, readiness: keeps the node consistent with the store
//!    │
//! consoles         links, sessions, and the way from a token to an instance
//!    ├── existing_cloud   the tokens and consoles of an existing OpenStack
//!    ├── devices          cloud addresses, enrollments, and the devices joined at this node
//!    ├── inventory        instances and their metadata
//!    └── audit            the records, and the refusals of bad requests
//!         │
//!       access            projects, keys, tokens: authenticates callers and knows their roles
//!         │
//!    revocations          hold at this node until the store has recorded them
//!         │
//!       core              store, vault, configuration, the node's life, metrics, signals
//! ```

pub mod access;
pub mod audit;
mod budgets;
pub mod consoles;
mod core;
pub mod devices;
pub mod error;
pub mod existing_cloud;
pub mod fence;
pub mod inventory;
pub mod metrics;
pub mod random;
mod revocations;
mod signals;
pub mod upkeep;
pub mod vault;

use std::sync::Arc;

use transom_config::Config;
use transom_model::secret::TokenDigest;
use transom_sources::openstack::Upstream;
use transom_store::Store;
pub use transom_store::{
    AuditQuery, AuditStart, FoundInstances, InstanceQuery, NameMatch, Page, SessionOrigin, Tally,
};
use url::Url;

use crate::core::Core;
use access::Access;
pub use access::caller::{Call, Caller};
use audit::Audit;
use budgets::log_budget::LogBudget;
use consoles::Consoles;
use consoles::live::LiveSessions;
use devices::{Devices, JoinedDevices};
pub use error::{Error, Result};
use existing_cloud::ExistingCloud;
use fence::Fence;
use inventory::Inventory;
use metrics::Metrics;
use revocations::Revocations;
use signals::Signals;
pub use upkeep::KeepNode;
use upkeep::Upkeep;
use vault::Vault;

/// All use cases. The front doors share one instance.
pub struct App {
    core: Arc<Core>,
    /// The sessions that this node carries.
    pub live: Arc<LiveSessions>,
    /// Counters for `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Projects, access keys, API tokens.
    pub access: Arc<Access>,
    /// The audit trail.
    pub audit: Arc<Audit>,
    /// Instances.
    pub inventory: Arc<Inventory>,
    /// Cloud addresses and devices.
    pub devices: Arc<Devices>,
    /// The existing cloud.
    pub existing_cloud: Arc<ExistingCloud>,
    /// Links and sessions.
    pub consoles: Arc<Consoles>,
    /// The node's upkeep.
    pub upkeep: Arc<Upkeep>,
}

/// The arguments of [`App::new`].
pub struct Parts {
    /// The durable state.
    pub store: Store,
    /// The keys that seal secrets.
    pub vault: Vault,
    /// The configuration.
    pub config: Config,
    /// The current life of this node.
    pub fence: Fence,
    /// Saves a new id for this node.
    pub keep_node: KeepNode,
    /// The digest of the operator's token.
    pub operator: TokenDigest,
    /// The beginning of every console URL.
    pub public_url: Url,
    /// The client of the existing cloud. `None` if the configuration names no such cloud.
    pub upstream: Option<Upstream>,
}

impl App {
    /// Builds the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, vault, config, fence, keep_node, operator, public_url, upstream } = parts;
        let metrics = Arc::new(Metrics::default());
        store.count_ends_by(metrics.count_end());
        let log_budget = LogBudget::new(config.limits.sessions_per_link);
        let core = Arc::new(Core {
            store,
            vault,
            config,
            fence,
            public_url,
            metrics: Arc::clone(&metrics),
            log_budget,
            signals: Signals::default(),
        });
        let live = Arc::new(LiveSessions::new(&core.config.limits));
        let joined = Arc::new(JoinedDevices::default());
        let revocations = Revocations::new(Arc::clone(&core), Arc::clone(&live), Arc::clone(&joined));
        let access = Access::new(Arc::clone(&core), Arc::clone(&revocations), operator);
        let audit = Audit::new(Arc::clone(&core), Arc::clone(&access));
        let inventory = Inventory::new(Arc::clone(&core), Arc::clone(&revocations), Arc::clone(&access));
        let devices = Devices::new(Arc::clone(&core), Arc::clone(&revocations), Arc::clone(&access), joined);
        let existing_cloud = ExistingCloud::new(Arc::clone(&core), Arc::clone(&access), upstream);
        let consoles = Consoles::new(consoles::Below {
            core: Arc::clone(&core),
            live: Arc::clone(&live),
            revocations: Arc::clone(&revocations),
            access: Arc::clone(&access),
            audit: Arc::clone(&audit),
            inventory: Arc::clone(&inventory),
            devices: Arc::clone(&devices),
            existing_cloud: Arc::clone(&existing_cloud),
        });
        let upkeep = Upkeep::new(upkeep::Below {
            core: Arc::clone(&core),
            live: Arc::clone(&live),
            revocations,
            access: Arc::clone(&access),
            devices: Arc::clone(&devices),
            existing_cloud: Arc::clone(&existing_cloud),
            consoles: Arc::clone(&consoles),
            keep_node,
        });
        Arc::new(Self {
            core,
            live,
            metrics,
            access,
            audit,
            inventory,
            devices,
            existing_cloud,
            consoles,
            upkeep,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// The beginning of every console URL.
    pub fn public_url(&self) -> &Url {
        &self.core.public_url
    }
}
