//! `[retention]`: the time for which finished records are stored.

use std::time::Duration;

use serde::Deserialize;

use crate::duration::HumanDuration;

/// The time for which finished records remain.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Expired and revoked links with their sessions.
    pub links: HumanDuration,
    /// Audit records.
    pub audit: HumanDuration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 24 * 3600;
        Self {
            links: HumanDuration(Duration::from_secs(30 * DAY)),
            audit: HumanDuration(Duration::from_secs(365 * DAY)),
        }
    }
}
