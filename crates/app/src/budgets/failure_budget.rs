//! A budget of failed attempts for each source.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota};
use transom_net::network::{self, Network};

/// Failed attempts per source and per network around it. Loopback is exempt.
pub(crate) struct FailureBudget(Vec<(u32, DefaultKeyedRateLimiter<Network>)>);

impl FailureBudget {
    pub(crate) fn new(per_second: u32) -> Self {
        let quota =
            |shares: u32| NonZeroU32::new(per_second.saturating_mul(shares)).unwrap_or(NonZeroU32::MIN);
        let limiter = |shares| DefaultKeyedRateLimiter::keyed(Quota::per_second(quota(shares)));
        Self(network::SHARES.map(|shares| (shares, limiter(shares))).into())
    }

    /// Counts a failed attempt. Returns `false` if its source or a network around it has had too
    /// many.
    pub(crate) fn allows(&self, source: IpAddr) -> bool {
        if source.to_canonical().is_loopback() {
            return true;
        }
        network::tiers(source).iter().all(|tier| {
            let limiter = self.0.iter().find(|(shares, _)| *shares == tier.shares);
            limiter.is_none_or(|(_, limiter)| limiter.check_key(&tier.network).is_ok())
        })
    }

    /// Forgets sources without recent failures, so the table does not grow forever.
    pub(crate) fn tidy(&self) {
        for (_, limiter) in &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}
