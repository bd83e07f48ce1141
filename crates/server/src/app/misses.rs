//! How often somebody may show what is not known here: tokens that an existing cloud has to be asked about, and numbers short
//! enough to be guessed.
//!
//! Each source has an allowance, and the networks around it have some. Where guessing wears a secret down, so has the node:
//! who has many networks would have as many allowances otherwise.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::App;
use super::metrics::Guesses;
use super::network::{self, Network};

/// The time in which an allowance comes back whole.
const PERIOD: Duration = Duration::from_secs(60);

/// A bucket for each network, and one for all where there is a bound to that; loopback is exempt.
pub(crate) struct MissBudget {
    what: Guesses,
    per_source: f64,
    in_all: Option<f64>,
    buckets: Mutex<Buckets>,
}

struct Buckets {
    by_network: HashMap<Network, Bucket>,
    all: Bucket,
    /// When it was told last that all is used up.
    told: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// What came of asking for one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    Granted,
    /// The source has used its own allowance up.
    Refused,
    /// All sources together have used the node's up; `news`: it has not been told for a while.
    AllRefused {
        news: bool,
    },
}

impl MissBudget {
    pub(crate) fn new(what: Guesses, per_source: u32, in_all: Option<u32>) -> Self {
        let most = |per_minute: u32| f64::from(per_minute.max(1));
        let (per_source, in_all) = (most(per_source), in_all.map(most));
        let all = Bucket { left: in_all.unwrap_or_default(), at: Instant::now() };
        let buckets = Mutex::new(Buckets { by_network: HashMap::new(), all, told: None });
        Self { what, per_source, in_all, buckets }
    }

    fn take(&self, source: IpAddr) -> Try {
        if source.to_canonical().is_loopback() {
            return Try::Granted;
        }
        let now = Instant::now();
        let mut buckets = self.buckets.lock();
        let tiers = network::tiers(source);
        for tier in tiers.iter() {
            let most = self.most(tier.shares);
            let bucket = buckets.by_network.entry(tier.network).or_insert(Bucket { left: most, at: now });
            bucket.refill(most, now);
            if bucket.left < 1.0 {
                return Try::Refused;
            }
        }
        if let Some(most) = self.in_all {
            buckets.all.refill(most, now);
            if buckets.all.left < 1.0 {
                let news = buckets.told.is_none_or(|told| now - told >= PERIOD);
                if news {
                    buckets.told = Some(now);
                }
                return Try::AllRefused { news };
            }
            buckets.all.left -= 1.0;
        }
        for tier in tiers.iter() {
            if let Some(bucket) = buckets.by_network.get_mut(&tier.network) {
                bucket.left -= 1.0;
            }
        }
        Try::Granted
    }

    /// It was no miss.
    pub(crate) fn give_back(&self, source: IpAddr) {
        if source.to_canonical().is_loopback() {
            return;
        }
        let mut buckets = self.buckets.lock();
        if let Some(most) = self.in_all {
            buckets.all.left = (buckets.all.left + 1.0).min(most);
        }
        for tier in network::tiers(source).iter() {
            if let Some(bucket) = buckets.by_network.get_mut(&tier.network) {
                bucket.left = (bucket.left + 1.0).min(self.most(tier.shares));
            }
        }
    }

    fn most(&self, shares: u32) -> f64 {
        self.per_source * f64::from(shares)
    }

    /// Forgets networks that have not missed lately.
    pub(crate) fn tidy(&self) {
        self.buckets.lock().by_network.retain(|_, bucket| bucket.at.elapsed() < PERIOD);
    }
}

impl Bucket {
    fn refill(&mut self, most: f64, now: Instant) {
        let back = most * (now - self.at).as_secs_f64() / PERIOD.as_secs_f64();
        *self = Self { left: (self.left + back).min(most), at: now };
    }
}

impl App {
    /// Whether somebody from there may show one more that is perhaps not known. What is refused is counted, and that somebody
    /// guesses from everywhere is told.
    pub(crate) fn may_guess(&self, budget: &MissBudget, source: IpAddr) -> bool {
        let attempt = budget.take(source);
        if attempt == Try::Granted {
            return true;
        }
        self.metrics.guess_refused(budget.what);
        if attempt == (Try::AllRefused { news: true }) {
            let what = budget.what.plural();
            tracing::warn!(
                what,
                %source,
                "wrong ones come from so many addresses that no more are tried in this minute: somebody guesses"
            );
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(per_source: u32, in_all: Option<u32>) -> MissBudget {
        MissBudget::new(Guesses::RepeaterNumbers, per_source, in_all)
    }

    fn granted(budget: &MissBudget, source: &str) -> bool {
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
        assert!((0..10).all(|_| granted(&budget, "127.0.0.1")), "loopback");
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
