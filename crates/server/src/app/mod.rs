//! Use cases: what Transom does, whichever front door asks. Knows no HTTP and no dialect.

pub mod audit;
mod bucket;
pub mod caller;
pub mod cloud_addresses;
pub mod console;
pub mod console_url;
pub mod devices;
pub mod enrolments;
pub mod error;
pub(crate) mod fence;
pub mod foreign;
pub(crate) mod heartbeat;
pub mod instances;
pub mod keys;
mod leave;
pub mod links;
pub mod live;
pub(crate) mod lookup;
pub mod metrics;
mod misses;
pub(crate) mod network;
pub mod projects;
pub mod random;
pub mod readiness;
pub(crate) mod refusals;
mod repetition;
mod revocations;
pub mod sessions;
pub(crate) mod settlement;
pub mod target;
pub mod tokens;
pub(crate) mod trust;
pub mod vault;
pub mod watch;
mod witness;

use std::sync::Arc;

use tokio::sync::Notify;
use transom_model::audit::Origin;
use transom_model::id::{NodeId, RequestId};
use transom_model::secret::TokenDigest;
use transom_store::Store;
pub use transom_store::{
    AuditQuery, AuditStart, FoundInstances, InstanceQuery, NameMatch, Page, SessionOrigin,
};

use crate::config::Config;
use crate::upstream::Upstream;
pub use caller::Caller;
use devices::Devices;
pub use error::{Error, Result};
use fence::Fence;
use live::LiveSessions;
use metrics::{Guesses, Metrics};
use misses::MissBudget;
use repetition::Repetition;
use revocations::Revocations;
use settlement::Debts;
use vault::Vault;

/// Writes a node's id down where the next start finds it.
pub type KeepNode = Box<dyn Fn(NodeId) + Send + Sync>;

/// Everything that the use cases stand on; shared by all front doors.
pub struct App {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) config: Config,
    /// Which life of this node this is.
    pub(crate) fence: Fence,
    /// Keeps another id for this node.
    keep_node: KeepNode,
    pub(crate) operator: TokenDigest,
    pub(crate) public_url: url::Url,
    /// The sessions that this node carries.
    pub live: Arc<LiveSessions>,
    /// Who is joined at this node, and their sessions.
    pub devices: Devices,
    /// Counters for `/metrics`.
    pub metrics: Metrics,
    pub(crate) failures: caller::FailureBudget,
    pub(crate) lookups: lookup::Lookups,
    /// What was ended or forbidden, and the store does not know yet.
    revocations: Revocations,
    readiness: readiness::Readiness,
    /// What the store is still to be told.
    pub(crate) debts: Debts,
    /// The existing cloud that we stand in front of.
    pub(crate) upstream: Option<Upstream>,
    pub(crate) misses: MissBudget,
    /// Numbers of the repeater's protocol: whoever guesses a device's holds up no viewer.
    device_misses: MissBudget,
    viewer_misses: MissBudget,
    repetition: Repetition,
    /// Rung by whatever may end a session here, so that the watch looks at once.
    pub(crate) changed: Notify,
}

/// What [`App::new`] needs.
pub struct Parts {
    /// The durable state.
    pub store: Store,
    /// The keys that seal secrets.
    pub vault: Vault,
    /// The configuration.
    pub config: Config,
    /// This life of this node.
    pub(crate) fence: Fence,
    /// Keeps another id for this node.
    pub keep_node: KeepNode,
    /// What is kept of the operator's token.
    pub operator: TokenDigest,
    /// What console URLs begin with.
    pub public_url: url::Url,
    /// The existing cloud that we stand in front of.
    pub(crate) upstream: Option<Upstream>,
}

impl App {
    /// Puts the use cases on their feet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, vault, config, fence, keep_node, operator, public_url, upstream } = parts;
        let metrics = Metrics::default();
        store.count_ends_by(metrics.count_end());
        let (misses, misses_in_all) = (config.repeater.misses, Some(config.repeater.misses_in_all));
        Arc::new(Self {
            live: Arc::new(LiveSessions::new(&config.limits)),
            devices: Devices::default(),
            failures: caller::FailureBudget::new(config.limits.failed_authentications),
            misses: MissBudget::new(Guesses::CloudTokens, config.limits.foreign_misses, None),
            device_misses: MissBudget::new(Guesses::RepeaterTickets, misses, misses_in_all),
            viewer_misses: MissBudget::new(Guesses::RepeaterNumbers, misses, misses_in_all),
            repetition: Repetition::new(config.limits.sessions_per_grant),
            metrics,
            lookups: lookup::Lookups::default(),
            debts: Debts::default(),
            revocations: Revocations::default(),
            readiness: readiness::Readiness::default(),
            changed: Notify::new(),
            store,
            vault,
            config,
            fence,
            keep_node,
            operator,
            public_url,
            upstream,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What console URLs begin with.
    pub fn public_url(&self) -> &url::Url {
        &self.public_url
    }
}

/// One call: who asks, under which request id, and from where.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub caller: Caller,
    /// The id that answer, log and audit carry.
    pub request: RequestId,
    /// Where it comes from.
    pub origin: Origin,
}
