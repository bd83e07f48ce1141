//! Limits on unknown credentials: tokens about which an existing cloud must be asked, and numbers
//! short enough to guess.
//!
//! Each source and each network around it has an allowance. Loopback is exempt from these. For
//! short secrets, all sources together also have one: it limits an attacker with many networks, and
//! one behind a program on this machine that relays many clients.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use parking_lot::Mutex;
use transom_net::network::{self, Network, Tier, Tiers};

use crate::budgets::bucket::{Bucket, PERIOD};
use crate::metrics::{Guesses, Metrics};

/// An allowance for each network except loopback, and optionally one for all sources together.
pub(crate) struct GuessBudget {
    what: Guesses,
    per_source: f64,
    in_all: Option<f64>,
    buckets: Mutex<Buckets>,
}

struct Buckets {
    by_network: HashMap<Network, Bucket>,
    all: Bucket,
    /// The last time that the log reported an exhausted allowance.
    told: Option<Instant>,
}

/// The result of requesting a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    Granted,
    /// The source, or a network around it, has used up its allowance.
    Refused,
    /// All sources together have used up their allowance. `news` is true if the log has not
    /// reported that for a [`PERIOD`].
    AllRefused {
        news: bool,
    },
}

impl GuessBudget {
    pub(crate) fn new(what: Guesses, per_source: u32, in_all: Option<u32>) -> Self {
        let most = |per_minute: u32| f64::from(per_minute.max(1));
        let (per_source, in_all) = (most(per_source), in_all.map(most));
        let all = Bucket::full(in_all.unwrap_or_default(), Instant::now());
        let buckets = Mutex::new(Buckets { by_network: HashMap::new(), all, told: None });
        Self { what, per_source, in_all, buckets }
    }

    /// Takes one try for a credential from this source that may be unknown. Counts refusals, and
    /// logs when the node's own allowance is exhausted.
    pub(crate) fn guess(&self, source: IpAddr, metrics: &Metrics) -> Option<Guess<'_>> {
        let attempt = self.take(source);
        if attempt == Try::Granted {
            return Some(Guess { budget: self, source, missed: false });
        }
        metrics.guess_refused(self.what);
        if attempt == (Try::AllRefused { news: true }) {
            let what = self.what.plural();
            tracing::warn!(
                what,
                %source,
                "too many wrong guesses: no more are checked until the minute is over"
            );
        }
        None
    }

    fn take(&self, source: IpAddr) -> Try {
        let now = Instant::now();
        let mut buckets = self.buckets.lock();
        let tiers = network::tiers(source);
        for tier in own(source, &tiers) {
            let most = self.most(tier.shares);
            let bucket = buckets.by_network.entry(tier.network).or_insert_with(|| Bucket::full(most, now));
            if !bucket.has_one(most, now) {
                return Try::Refused;
            }
        }
        if let Some(most) = self.in_all {
            if !buckets.all.has_one(most, now) {
                let news = buckets.told.is_none_or(|told| now - told >= PERIOD);
                if news {
                    buckets.told = Some(now);
                }
                return Try::AllRefused { news };
            }
            buckets.all.take();
        }
        for tier in own(source, &tiers) {
            if let Some(bucket) = buckets.by_network.get_mut(&tier.network) {
                bucket.take();
            }
        }
        Try::Granted
    }

    /// Gives a try back to the allowances, because its credential was not wrong.
    pub(crate) fn give_back(&self, source: IpAddr) {
        let mut buckets = self.buckets.lock();
        if let Some(most) = self.in_all {
            buckets.all.give_back(most);
        }
        for tier in own(source, &network::tiers(source)) {
            if let Some(bucket) = buckets.by_network.get_mut(&tier.network) {
                bucket.give_back(self.most(tier.shares));
            }
        }
    }

    fn most(&self, shares: u32) -> f64 {
        self.per_source * f64::from(shares)
    }

    /// Forgets networks whose allowance is full again.
    pub(crate) fn tidy(&self) {
        self.buckets.lock().by_network.retain(|_, bucket| !bucket.is_idle());
    }
}

/// The networks whose allowances this source uses.
fn own(source: IpAddr, tiers: &Tiers) -> &[Tier] {
    if source.to_canonical().is_loopback() { &[] } else { tiers }
}

/// A try, taken in advance so that simultaneous ones count. It is given back unless the credential
/// was wrong: a database that does not answer does not use up tries.
#[must_use]
pub(crate) struct Guess<'a> {
    budget: &'a GuessBudget,
    source: IpAddr,
    missed: bool,
}

impl Guess<'_> {
    /// Marks the credential as wrong, so the try is not given back.
    pub(crate) fn missed(mut self) {
        self.missed = true;
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        if !self.missed {
            self.budget.give_back(self.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(per_source: u32, in_all: Option<u32>) -> GuessBudget {
        GuessBudget::new(Guesses::RepeaterNumbers, per_source, in_all)
    }

    fn granted(budget: &GuessBudget, source: &str) -> bool {
        budget.take(source.parse().expect("an address")) == Try::Granted
    }

    #[test]
    fn a_source_that_misses_too_often_waits_and_no_other_does() {
        let budget = budget(2, Some(5));
        for _ in 0..10 {
            assert!(granted(&budget, "203.0.113.6"), "who misses nothing");
            budget.give_back([203, 0, 113, 6].into());
        }
        assert!(granted(&budget, "203.0.113.5") && granted(&budget, "203.0.113.5"));
        assert!(!granted(&budget, "203.0.113.5"));
        assert!(granted(&budget, "203.0.113.6"));
    }

    #[test]
    fn this_machine_has_no_allowance_of_its_own_and_counts_in_all() {
        for loopback in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!((0..10).all(|_| granted(&budget(2, None), loopback)), "{loopback}");
            let budget = budget(2, Some(5));
            assert_eq!((0..10).filter(|_| granted(&budget, loopback)).count(), 5, "{loopback}");
            assert!(!granted(&budget, "203.0.113.5"));
            budget.give_back(loopback.parse().expect("an address"));
            assert!(granted(&budget, "203.0.113.5"));
        }
    }

    #[test]
    fn what_was_no_miss_is_given_back_whatever_came_of_it() {
        let budget = budget(2, Some(2));
        let source = IpAddr::from([203, 0, 113, 5]);
        let try_one = || {
            assert_eq!(budget.take(source), Try::Granted);
            Guess { budget: &budget, source, missed: false }
        };
        for _ in 0..5 {
            drop(try_one());
        }
        try_one().missed();
        try_one().missed();
        assert_eq!(budget.take(source), Try::Refused);
    }

    #[test]
    fn a_site_with_many_networks_is_one_source_in_the_end() {
        let budget = budget(2, None);
        let tries = (0..=0xffff_u32).filter(|n| granted(&budget, &format!("2001:db8:1:{n:x}::1")));
        assert_eq!(tries.count(), 8);
        assert!(granted(&budget, "2001:db8:2::1"), "another site");
    }

    #[test]
    fn what_all_sources_may_try_has_a_bound_and_that_is_told_once() {
        let budget = budget(9, Some(3));
        let tries: Vec<_> = (1..=5).map(|n| budget.take([203, 0, 113, n].into())).collect();
        let over = |news| Try::AllRefused { news };
        assert_eq!(tries, [Try::Granted, Try::Granted, Try::Granted, over(true), over(false)]);
        budget.give_back([203, 0, 113, 1].into());
        assert!(granted(&budget, "203.0.113.5"));
    }
}
