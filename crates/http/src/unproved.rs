//! Bytes that are kept of requests whose callers have proved nothing yet: so many for each source, and so many in all.
//!
//! A proof that comes in headers is judged before the body is read, and frees its request of this. What is left is a login,
//! a token to be exchanged, a signature over the body: small, and soon over.

use std::collections::HashMap;
use std::sync::Arc;

use http::Extensions;
use parking_lot::Mutex;
use transom_net::network::{self, Network, Tiers};

use super::source::Source;

/// Shares are taken in pieces of this, so that a body in crumbs does not mean a look at the table for each.
const PIECE: usize = 4 * 1024;
/// A source that keeps no more than a login is refused for nobody else's sake, when the others have used up all.
const LOGIN: usize = super::body::PROOF;

/// The budget.
#[derive(Debug)]
pub struct Unproved {
    per_source: usize,
    in_all: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_network: HashMap<Network, usize>,
    in_all: usize,
}

impl Unproved {
    /// A budget of so many bytes for each source, and for all of them together.
    pub fn new(per_source: usize, in_all: usize) -> Arc<Self> {
        Arc::new(Self { per_source, in_all, kept: Mutex::default() })
    }

    /// The share of one request. `alone`: whether the source is one, rather than a proxy that does not say for whom it asks.
    pub fn share(self: &Arc<Self>, source: Source, alone: bool) -> Share {
        let tiers = network::tiers(source.address);
        Share { budget: Arc::clone(self), tiers, alone, taken: Mutex::default() }
    }

    #[cfg(test)]
    fn kept(&self) -> usize {
        self.kept.lock().in_all
    }

    fn take(&self, tiers: &Tiers, alone: bool, bytes: usize) -> bool {
        let mut kept = self.kept.lock();
        let held = |kept: &Kept, network| kept.by_network.get(&network).copied().unwrap_or(0);
        if alone {
            let over = |tier: &network::Tier| {
                held(&kept, tier.network) + bytes > self.per_source.saturating_mul(tier.shares as usize)
            };
            if tiers.iter().any(over) {
                return false;
            }
        }
        let little =
            alone && tiers.first().is_some_and(|widest| held(&kept, widest.network) + bytes <= LOGIN);
        if kept.in_all + bytes > self.in_all && !little {
            return false;
        }
        kept.in_all += bytes;
        for tier in tiers.iter() {
            *kept.by_network.entry(tier.network).or_default() += bytes;
        }
        true
    }

    fn give_back(&self, tiers: &Tiers, bytes: usize) {
        let mut kept = self.kept.lock();
        kept.in_all -= bytes;
        for tier in tiers.iter() {
            if let Some(held) = kept.by_network.get_mut(&tier.network) {
                *held -= bytes;
                if *held == 0 {
                    kept.by_network.remove(&tier.network);
                }
            }
        }
    }
}

/// What one request keeps; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Unproved>,
    tiers: Tiers,
    alone: bool,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    used: usize,
    reserved: usize,
    proved: bool,
    refused: bool,
}

impl Share {
    /// Whether so many bytes more may be kept.
    pub fn take(&self, bytes: usize) -> bool {
        let mut taken = self.taken.lock();
        if taken.proved || taken.refused {
            return taken.proved;
        }
        taken.used += bytes;
        if taken.used > taken.reserved {
            let more = (taken.used - taken.reserved).next_multiple_of(PIECE);
            if !self.budget.take(&self.tiers, self.alone, more) {
                taken.refused = true;
                return false;
            }
            taken.reserved += more;
        }
        true
    }

    /// Its caller has proved who it is, or is done with: nothing of it counts any more.
    pub fn free(&self) {
        let mut taken = self.taken.lock();
        taken.proved = true;
        self.budget.give_back(&self.tiers, std::mem::take(&mut taken.reserved));
    }

    /// Whether its body was cut off for want of room.
    pub fn was_refused(&self) -> bool {
        self.taken.lock().refused
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let reserved = self.taken.get_mut().reserved;
        if reserved > 0 {
            self.budget.give_back(&self.tiers, reserved);
        }
    }
}

/// The caller of this request has proved who it is.
pub fn proved(extensions: &Extensions) {
    if let Some(share) = extensions.get::<Arc<Share>>() {
        share.free();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        Source { address: address.parse().expect("an address"), https: false }
    }

    #[test]
    fn a_source_keeps_so_much_and_what_is_proved_does_not_count() {
        let budget = Unproved::new(64 * 1024, 1024 * 1024);
        let shares: Vec<_> = (0..3).map(|_| budget.share(source("192.0.2.1"), true)).collect();
        assert!(shares[0].take(40_000) && shares[1].take(20_000));
        assert!(!shares[2].take(20_000) && shares[2].was_refused());
        assert!(budget.share(source("192.0.2.2"), true).take(60_000), "another source");
        shares[0].free();
        assert!(shares[0].take(1_000_000), "it has proved who it is");
        assert!(!shares[2].take(1), "it was cut off");
        assert!(budget.share(source("192.0.2.1"), true).take(40_000));
        drop(shares);
        assert_eq!(budget.kept(), 0);
    }

    #[test]
    fn networks_of_one_site_share_and_a_login_is_refused_for_nobody_elses_sake() {
        let budget = Unproved::new(64 * 1024, 128 * 1024);
        let held: Vec<_> =
            (0..9).map(|n| budget.share(source(&format!("2001:db8:0:{n}00::1")), true)).collect();
        assert_eq!(held.iter().filter(|share| share.take(60_000)).count(), 2, "all is full");
        let newcomer = budget.share(source("192.0.2.1"), true);
        assert!(newcomer.take(LOGIN) && !newcomer.take(1));
        assert!(!budget.share(source("192.0.2.3"), false).take(1), "a proxy that speaks for nobody");
    }

    #[test]
    fn crumbs_are_counted_in_pieces() {
        let budget = Unproved::new(64 * 1024, 128 * 1024);
        let share = budget.share(source("192.0.2.1"), true);
        assert!((0..PIECE).all(|_| share.take(1)));
        assert_eq!(budget.kept(), PIECE);
        assert!(share.take(1));
        assert_eq!(budget.kept(), 2 * PIECE);
    }
}
