//! A budget for buffered bytes of requests whose callers are not authenticated yet: a limit for
//! each source, and a limit in total.
//!
//! A proof in headers is judged before the body is read, and releases the share of its request. The
//! rest is a login, an exchange of a token, or a signature over the body: all small and soon over.

use std::collections::HashMap;
use std::sync::Arc;

use http::Extensions;
use parking_lot::Mutex;
use transom_net::network::{self, Network, Tiers};

use super::source::Source;

/// The step in which shares grow, so that a body of many small pieces does not lock the table for
/// each.
const PIECE: usize = 4 * 1024;
/// The bytes that a source gets even when other sources have used up the total.
const LOGIN: usize = super::limits::PROOF_BODY;

/// A budget for the bodies of unauthenticated requests.
#[derive(Debug)]
pub struct Unproved {
    per_source: usize,
    in_all: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    by_network: HashMap<Network, usize>,
    in_all: usize,
}

impl Unproved {
    /// Creates a budget with a limit for each source and one in total.
    pub fn new(per_source: usize, in_all: usize) -> Arc<Self> {
        Arc::new(Self { per_source, in_all, used: Mutex::default() })
    }

    /// Creates the share of one request. `alone` is true if the source is a single client, rather
    /// than a proxy that does not name its clients.
    pub fn share(self: &Arc<Self>, source: Source, alone: bool) -> Share {
        let tiers = network::tiers(source.address);
        Share { budget: Arc::clone(self), tiers, alone, taken: Mutex::default() }
    }

    #[cfg(test)]
    fn used(&self) -> usize {
        self.used.lock().in_all
    }

    fn take(&self, tiers: &Tiers, alone: bool, bytes: usize) -> bool {
        let mut used = self.used.lock();
        let held = |used: &Used, network| used.by_network.get(&network).copied().unwrap_or(0);
        if alone {
            let over = |tier: &network::Tier| {
                held(&used, tier.network) + bytes > self.per_source.saturating_mul(tier.shares as usize)
            };
            if tiers.iter().any(over) {
                return false;
            }
        }
        let little =
            alone && tiers.first().is_some_and(|widest| held(&used, widest.network) + bytes <= LOGIN);
        if used.in_all + bytes > self.in_all && !little {
            return false;
        }
        used.in_all += bytes;
        for tier in tiers.iter() {
            *used.by_network.entry(tier.network).or_default() += bytes;
        }
        true
    }

    fn give_back(&self, tiers: &Tiers, bytes: usize) {
        let mut used = self.used.lock();
        used.in_all -= bytes;
        for tier in tiers.iter() {
            if let Some(held) = used.by_network.get_mut(&tier.network) {
                *held -= bytes;
                if *held == 0 {
                    used.by_network.remove(&tier.network);
                }
            }
        }
    }
}

/// The bytes that one request occupies. Dropping it returns them.
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
    /// Takes more bytes. Returns false if the budget does not allow them.
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

    /// Releases the bytes, since the caller is authenticated or the request is over.
    pub fn free(&self) {
        let mut taken = self.taken.lock();
        taken.proved = true;
        self.budget.give_back(&self.tiers, std::mem::take(&mut taken.reserved));
    }

    /// Tells whether the body was cut off for lack of budget.
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

/// Releases the share of a request whose caller is authenticated.
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
        assert_eq!(budget.used(), 0);
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
        assert_eq!(budget.used(), PIECE);
        assert!(share.take(1));
        assert_eq!(budget.used(), 2 * PIECE);
    }
}
