//! Consoles and users of an existing cloud. Transom asks the cloud about each token at each use.

mod consoles;
mod guests;

use std::sync::Arc;

use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_model::id::RequestId;
use transom_model::project::ProjectName;

use crate::access::Access;
use crate::access::caller::Attempt;
use crate::budgets::guess_budget::GuessBudget;
use crate::core::Core;
use crate::error::{Error, Result, outage_is_news};
use crate::metrics::Guesses;
use crate::metrics::Lookup;
use transom_sources::openstack::{LookupError, Upstream};

/// Creates the client of the existing cloud. Returns `None` if the configuration names no cloud.
pub fn upstream(config: &transom_config::Config) -> std::result::Result<Option<Upstream>, String> {
    let openstack = &config.openstack;
    if openstack.nova_url.is_some() {
        let named = openstack.nova_project.parse::<ProjectName>();
        named.map_err(|error| format!("nova_project: {error}"))?;
    }
    if let Some(files) = &openstack.nova_vencrypt {
        let client = files.client.iter();
        let client = client.flat_map(|pair| [("client.cert", &pair.cert), ("client.key", &pair.key)]);
        for (key, path) in client.chain([("ca", &files.ca)]) {
            // Each connection reads the files again. Unreadable files are reported now.
            let read = std::fs::File::open(path);
            read.map_err(|error| format!("nova_vencrypt.{key}: cannot read {}: {error}", path.display()))?;
        }
    }
    Upstream::new(openstack)
}

/// The existing cloud that Transom stands in front of.
pub struct ExistingCloud {
    core: Arc<Core>,
    access: Arc<Access>,
    upstream: Option<Upstream>,
    pub(crate) cloud_guesses: GuessBudget,
}

impl ExistingCloud {
    pub(crate) fn new(core: Arc<Core>, access: Arc<Access>, upstream: Option<Upstream>) -> Arc<Self> {
        let limit = core.config.limits.unknown_tokens_per_minute;
        let cloud_guesses = GuessBudget::new(Guesses::CloudTokens, limit, None);
        Arc::new(Self { core, access, upstream, cloud_guesses })
    }

    /// Runs a look-up, unless this source has presented too many unknown tokens lately.
    async fn guarded_lookup<T>(
        &self,
        what: Lookup,
        attempt: Attempt<'_>,
        lookup: impl Future<Output = Result<T, LookupError>>,
    ) -> Result<Option<T>> {
        let Some(guess) = self.cloud_guesses.guess(attempt.source, &self.core.metrics) else {
            self.core.metrics.lookup(what, "limited");
            return Err(Error::RateLimited);
        };
        // The try is spent in advance, so a caller that does not wait for the answer has used it.
        // It is given back unless the token is unknown.
        guess.missed();
        let found = self.counted(what, attempt.request, lookup.await);
        if !matches!(found, Ok(None)) {
            self.cloud_guesses.give_back(attempt.source);
        }
        found
    }

    fn counted<T>(
        &self,
        what: Lookup,
        request: &RequestId,
        looked_up: Result<T, LookupError>,
    ) -> Result<Option<T>> {
        match looked_up {
            Ok(found) => {
                self.core.metrics.lookup(what, "known");
                Ok(Some(found))
            }
            Err(LookupError::Unknown) => {
                self.core.metrics.lookup(what, "unknown");
                Ok(None)
            }
            Err(LookupError::Unavailable(cause)) => {
                self.core.metrics.lookup(what, "failed");
                if outage_is_news() {
                    tracing::warn!(%request, error = cause, "the existing cloud could not be queried");
                }
                Err(End::from(EndReason::CloudUnavailable).into())
            }
        }
    }
}
