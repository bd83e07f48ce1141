//! `[links]`: lifetime and uses of links, by dialect.

use std::time::Duration;

use serde::Deserialize;
use transom_model::dialect::Dialect;
use transom_model::grant::{MAX_TTL, MAX_USES};

use crate::duration::HumanDuration;

/// Lifetime and uses of links, by dialect.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Links {
    /// The policy of Transom's own API.
    pub api: LinkPolicy,
    /// The policy of Zenlayer, whose users reload the URL.
    pub zenlayer: LinkPolicy,
    /// The policy of OpenStack and Rackspace, whose users reload the URL.
    pub openstack: LinkPolicy,
}

impl Default for Links {
    fn default() -> Self {
        let vendor = LinkPolicy { ttl: HumanDuration(Duration::from_secs(600)), uses: 0 };
        Self { api: LinkPolicy::default(), zenlayer: vendor, openstack: vendor }
    }
}

impl Links {
    pub(crate) fn check(&self) -> Result<(), String> {
        let policies = [("api", self.api), ("zenlayer", self.zenlayer), ("openstack", self.openstack)];
        policies.into_iter().try_for_each(|(dialect, policy)| policy.check(dialect))
    }

    /// The policy of a dialect.
    #[must_use]
    pub fn of(&self, dialect: Dialect) -> LinkPolicy {
        match dialect {
            Dialect::Api | Dialect::VncCloud => self.api,
            Dialect::Zenlayer => self.zenlayer,
            Dialect::Openstack => self.openstack,
        }
    }
}

/// The lifetime and the number of uses of a console URL.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkPolicy {
    /// The time within which the URL must be opened.
    pub ttl: HumanDuration,
    /// The number of times that the URL can be opened; 0 for any number until it expires.
    pub uses: u32,
}

impl Default for LinkPolicy {
    fn default() -> Self {
        Self { ttl: HumanDuration(Duration::from_secs(60)), uses: 1 }
    }
}

impl LinkPolicy {
    fn check(self, dialect: &str) -> Result<(), String> {
        if self.ttl.0.is_zero() || self.ttl.0 > MAX_TTL {
            return Err(format!("links.{dialect}.ttl: must be more than 0 and at most 7d"));
        }
        if self.uses > MAX_USES {
            return Err(format!("links.{dialect}.uses: must be at most {MAX_USES}, or 0 for no limit"));
        }
        Ok(())
    }
}
