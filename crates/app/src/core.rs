//! Everything that all parts use: the store, the vault, the configuration, the node's life.

use std::sync::Arc;

use transom_config::Config;
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_store::{Node, Store};
use url::Url;

use crate::budgets::log_budget::LogBudget;
use crate::error::Result;
use crate::fence::Fence;
use crate::metrics::Metrics;
use crate::signals::Signals;
use crate::vault::Vault;

/// The common ground of the parts. Each part holds one reference to it.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) config: Config,
    /// The current life of this node.
    pub(crate) fence: Fence,
    /// The beginning of every console URL.
    pub(crate) public_url: Url,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log_budget: LogBudget,
    pub(crate) signals: Signals,
}

impl Core {
    /// Returns the life under which this node may accept new work. Fails if the node is fenced.
    pub(crate) fn node(&self) -> Result<Node> {
        let fenced = || End::new(EndReason::StoreUnavailable, "this node has lost contact with the database");
        self.fence.node().ok_or_else(|| fenced().into())
    }
}
