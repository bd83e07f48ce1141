//! Use cases: what Transom does, whichever front door asks. Knows no HTTP and no dialect.

pub mod audit;
mod authentication;
mod bucket;
pub mod caller;
pub mod cloud_addresses;
pub mod console;
pub mod console_url;
pub(crate) mod debts;
pub mod devices;
pub mod enrollments;
pub mod error;
mod failures;
pub mod fence;
pub mod fencing;
pub mod foreign;
mod guess_budget;
pub mod heartbeat;
pub mod instances;
pub mod keys;
mod leave;
pub mod links;
pub mod live;
mod log_budget;
pub(crate) mod lookup;
pub mod metadata;
pub mod metrics;
pub mod projects;
pub mod random;
pub mod readiness;
pub mod refusals;
mod revocations;
mod revoking;
pub mod sessions;
pub mod target;
pub mod tokens;
pub mod trust;
mod unsaved_endings;
pub mod vault;
pub mod watch;
mod witness;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use transom_model::audit::Origin;
use transom_model::id::{NodeId, RequestId};
use transom_model::secret::TokenDigest;
use transom_store::Store;
pub use transom_store::{
    AuditQuery, AuditStart, FoundInstances, InstanceQuery, NameMatch, Page, SessionOrigin, Tally,
};

pub use caller::Caller;
use debts::Debts;
use devices::Devices;
pub use error::{Error, Result};
use failures::FailureBudget;
use fence::Fence;
use guess_budget::GuessBudget;
use live::LiveSessions;
use log_budget::LogBudget;
use metrics::{Guesses, Metrics};
use readiness::{Readiness, Unready};
use revocations::Revocations;
use transom_config::Config;
use transom_sources::openstack::Upstream;
use vault::Vault;

/// Writes a node's id down where the next start finds it.
pub type KeepNode = Box<dyn Fn(NodeId) + Send + Sync>;

/// Everything that the use cases stand on; shared by all front doors.
pub struct App {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) config: Config,
    /// Which life of this node this is.
    pub fence: Fence,
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
    pub(crate) failures: FailureBudget,
    pub(crate) lookups: lookup::Lookups,
    /// What was ended or forbidden, and the store does not know yet.
    revocations: Revocations,
    readiness: Readiness,
    /// What the store is still to be told.
    pub(crate) debts: Debts,
    /// The existing cloud that we stand in front of.
    pub(crate) upstream: Option<Upstream>,
    pub(crate) cloud_guesses: GuessBudget,
    /// Numbers of the repeater's protocol: whoever guesses a device's holds up no viewer.
    device_guesses: GuessBudget,
    viewer_guesses: GuessBudget,
    log_budget: LogBudget,
    /// API tokens that were shown since the heartbeat wrote that down.
    token_uses: Mutex<HashSet<TokenDigest>>,
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
    pub fence: Fence,
    /// Keeps another id for this node.
    pub keep_node: KeepNode,
    /// What is kept of the operator's token.
    pub operator: TokenDigest,
    /// What console URLs begin with.
    pub public_url: url::Url,
    /// The existing cloud that we stand in front of.
    pub upstream: Option<Upstream>,
}

impl App {
    /// Puts the use cases on their feet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, vault, config, fence, keep_node, operator, public_url, upstream } = parts;
        let metrics = Metrics::default();
        store.count_ends_by(metrics.count_end());
        let (each, in_all) =
            (config.repeater.wrong_tickets_per_minute, Some(config.repeater.wrong_tickets_per_minute_in_all));
        Arc::new(Self {
            live: Arc::new(LiveSessions::new(&config.limits)),
            devices: Devices::default(),
            failures: FailureBudget::new(config.limits.failed_authentications),
            cloud_guesses: GuessBudget::new(
                Guesses::CloudTokens,
                config.limits.unknown_tokens_per_minute,
                None,
            ),
            device_guesses: GuessBudget::new(Guesses::RepeaterTickets, each, in_all),
            viewer_guesses: GuessBudget::new(Guesses::RepeaterNumbers, each, in_all),
            log_budget: LogBudget::new(config.limits.sessions_per_link),
            token_uses: Mutex::default(),
            metrics,
            lookups: lookup::Lookups::default(),
            debts: Debts::default(),
            revocations: Revocations::default(),
            readiness: Readiness::default(),
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

    /// Tells whether this node can take on sessions; if not, why.
    pub async fn ready(&self) -> std::result::Result<(), Unready> {
        self.readiness.of(&self.store, self.fence.last()).await
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
