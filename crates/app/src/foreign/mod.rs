//! Consoles and users of an existing cloud: who shows a token of it is asked about there, each time anew.

mod consoles;
mod guests;

use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_model::id::RequestId;
use transom_model::project::ProjectName;

use super::App;
use super::caller::Attempt;
use super::error::{Error, Result, outage_is_news};
use super::metrics::Lookup;
use transom_sources::openstack::{Fault, Upstream};

/// The cloud of the configuration.
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
            // Read anew at each connect; that they can be read is told now.
            let read = std::fs::File::open(path);
            read.map_err(|error| format!("nova_vencrypt.{key}: cannot read {}: {error}", path.display()))?;
        }
    }
    Upstream::new(openstack)
}

impl App {
    /// Asks, where this source has not missed too often lately.
    async fn guarded_lookup<T>(
        &self,
        what: Lookup,
        attempt: Attempt<'_>,
        lookup: impl Future<Output = Result<T, Fault>>,
    ) -> Result<Option<T>> {
        let Some(guess) = self.cloud_guesses.guess(attempt.source, &self.metrics) else {
            self.metrics.lookup(what, "limited");
            return Err(Error::RateLimited);
        };
        // Who shows a good token gets it back. Who does not wait for the answer has asked all the same.
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
        looked_up: Result<T, Fault>,
    ) -> Result<Option<T>> {
        match looked_up {
            Ok(found) => {
                self.metrics.lookup(what, "known");
                Ok(Some(found))
            }
            Err(Fault::Unknown) => {
                self.metrics.lookup(what, "unknown");
                Ok(None)
            }
            Err(Fault::Unavailable(cause)) => {
                self.metrics.lookup(what, "failed");
                if outage_is_news() {
                    tracing::warn!(%request, error = cause, "the existing cloud could not be asked");
                }
                Err(End::from(EndReason::CloudUnavailable).into())
            }
        }
    }
}
