//! Access: projects, access keys, API tokens, and the authentication of callers.

mod authentication;
pub mod caller;
pub mod keys;
pub mod projects;
pub mod tokens;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use transom_model::secret::TokenDigest;

use crate::budgets::failure_budget::FailureBudget;
use crate::core::Core;
use crate::revocations::Revocations;

/// Projects, access keys and API tokens.
pub struct Access {
    core: Arc<Core>,
    revocations: Arc<Revocations>,
    operator: TokenDigest,
    pub(crate) failures: FailureBudget,
    /// API tokens that were used since the heartbeat last recorded uses.
    token_uses: Mutex<HashSet<TokenDigest>>,
}

impl Access {
    pub(crate) fn new(core: Arc<Core>, revocations: Arc<Revocations>, operator: TokenDigest) -> Arc<Self> {
        let failures = FailureBudget::new(core.config.limits.failed_authentications);
        Arc::new(Self { core, revocations, operator, failures, token_uses: Mutex::default() })
    }
}
