//! Budgets of connections, for each source and for all.
//!
//! Who has used its own share up is refused. Where all places are taken, somebody has to go: the oldest connection of whoever
//! holds most, so that a newcomer gets in however many hold whatever they may.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::app::network::{self, Network, Tiers};

/// A budget and who uses it.
pub struct Budget {
    per_source: usize,
    in_all: usize,
    holders: Mutex<Holders>,
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug)]
pub enum Holder {
    /// Somebody's, who has a share.
    Source(IpAddr),
    /// A declared proxy's: it carries many people's requests, and has no share to use up.
    Proxy(IpAddr),
}

impl Holder {
    fn tiers(self) -> Tiers {
        let (Self::Source(address) | Self::Proxy(address)) = self;
        network::tiers(address)
    }
}

/// What tells a connection that its place is another's now.
#[derive(Clone, Debug, Default)]
pub struct Notice(Arc<Notify>);

impl Notice {
    /// Waits until the connection has to go. Cancel-safe.
    pub async fn served(&self) {
        self.0.notified().await;
    }
}

/// One connection's place; given up when dropped.
pub struct Permit {
    budget: Arc<Budget>,
    holder: Holder,
    /// Which of the holder's it is; none: nobody can be told to go for another.
    serial: Option<u64>,
}

#[derive(Default)]
struct Holders {
    networks: HashMap<Network, Held>,
    /// The widest networks by what may be taken from them.
    widest: BTreeSet<(usize, Network)>,
    in_all: usize,
    /// How many were told to go and have not gone yet.
    leaving: usize,
    serial: u64,
}

/// What a network holds.
#[derive(Default)]
struct Held {
    /// All places.
    places: usize,
    /// Those that may be taken away.
    movable: usize,
    /// The networks within, by what may be taken from them.
    within: BTreeSet<(usize, Network)>,
    /// Connections of the narrowest network by age.
    connections: BTreeMap<u64, Notice>,
}

impl Budget {
    /// So many for each source, and so many in all.
    #[must_use]
    pub fn new(per_source: usize, in_all: usize) -> Arc<Self> {
        Arc::new(Self { per_source, in_all, holders: Mutex::default() })
    }

    /// A place for a connection; none where its share is used up. Where all are taken, the oldest connection of the largest
    /// holder is served its `notice` and its place is free, unless so many are on their way out already.
    pub fn admit(self: &Arc<Self>, holder: Holder, notice: &Notice) -> Option<Permit> {
        self.place(holder, Some(notice))
    }

    /// A place that is never taken away and for which nobody has to go.
    pub fn admit_for_good(self: &Arc<Self>, holder: Holder) -> Option<Permit> {
        self.place(holder, None)
    }

    fn place(self: &Arc<Self>, holder: Holder, notice: Option<&Notice>) -> Option<Permit> {
        let tiers = holder.tiers();
        let mut holders = self.holders.lock();
        if let Holder::Source(_) = holder {
            let full = |network, shares| {
                let held = holders.networks.get(&network).map_or(0, |held: &Held| held.places);
                held >= self.per_source.saturating_mul(shares)
            };
            if tiers.iter().any(|tier| full(tier.network, tier.shares as usize)) {
                return None;
            }
        }
        if holders.in_all >= self.in_all && (notice.is_none() || !holders.make_room(self.in_all)) {
            return None;
        }
        let serial = notice.map(|notice| holders.enter(&tiers, notice));
        holders.count(&tiers, 1, usize::from(serial.is_some()));
        Some(Permit { budget: Arc::clone(self), holder, serial })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.holders.lock().in_all
    }
}

impl Holders {
    fn enter(&mut self, tiers: &Tiers, notice: &Notice) -> u64 {
        self.serial += 1;
        if let Some(narrowest) = tiers.last() {
            let held = self.networks.entry(narrowest.network).or_default();
            held.connections.insert(self.serial, notice.clone());
        }
        self.serial
    }

    /// Counts places more, or fewer, all along the networks.
    fn count(&mut self, tiers: &Tiers, places: isize, movable: usize) {
        let movable = isize::try_from(movable).unwrap_or(0) * places.signum();
        self.in_all = self.in_all.saturating_add_signed(places);
        let mut wider: Option<Network> = None;
        for tier in tiers.iter() {
            let held = self.networks.entry(tier.network).or_default();
            let before = held.movable;
            held.places = held.places.saturating_add_signed(places);
            held.movable = before.saturating_add_signed(movable);
            let (now, gone) = (held.movable, held.places == 0);
            let order = match wider.and_then(|wider| self.networks.get_mut(&wider)) {
                Some(wider) => &mut wider.within,
                None => &mut self.widest,
            };
            if now != before {
                order.remove(&(before, tier.network));
                if now > 0 {
                    order.insert((now, tier.network));
                }
            }
            // What is within it has gone as well.
            if gone {
                self.networks.remove(&tier.network);
            }
            wider = Some(tier.network);
        }
    }

    /// Takes the oldest place of the largest holder away.
    fn make_room(&mut self, most: usize) -> bool {
        if self.leaving >= most {
            return false;
        }
        let Some(&(_, mut network)) = self.widest.last() else { return false };
        while let Some(&(_, narrower)) = self.networks.get(&network).and_then(|held| held.within.last()) {
            network = narrower;
        }
        let Some(held) = self.networks.get_mut(&network) else { return false };
        let Some((_, notice)) = held.connections.pop_first() else { return false };
        self.count(&network::tiers(network.0), -1, 1);
        self.leaving += 1;
        notice.0.notify_one();
        true
    }

    /// Whether this connection had not been told to go.
    fn leave(&mut self, tiers: &Tiers, serial: u64) -> bool {
        let narrowest = tiers.last().and_then(|tier| self.networks.get_mut(&tier.network));
        narrowest.is_some_and(|held| held.connections.remove(&serial).is_some())
    }
}

impl Permit {
    /// Keeps the place for good: it is not taken away for a newcomer any more.
    pub fn settle(&mut self) {
        let Some(serial) = self.serial else { return };
        let tiers = self.holder.tiers();
        let mut holders = self.budget.holders.lock();
        // One that was told to go goes.
        if holders.leave(&tiers, serial) {
            self.serial = None;
            holders.count(&tiers, 1, 0);
            holders.count(&tiers, -1, 1);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let tiers = self.holder.tiers();
        let mut holders = self.budget.holders.lock();
        match self.serial {
            None => holders.count(&tiers, -1, 0),
            Some(serial) if holders.leave(&tiers, serial) => holders.count(&tiers, -1, 1),
            Some(_) => holders.leaving -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Holder {
        Holder::Source(text.parse().expect("address"))
    }

    async fn told(notice: &Notice) -> bool {
        tokio::select! {
            biased;
            () = notice.served() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[test]
    fn a_source_that_uses_its_budget_up_starves_only_itself() {
        let (budget, notice) = (Budget::new(2, 4), Notice::default());
        let held: Vec<_> = (0..3).map(|_| budget.admit(source("192.0.2.1"), &notice)).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        let other = budget.admit(source("192.0.2.2"), &notice);
        assert!(other.is_some());
        drop((held, other));
        assert_eq!(budget.count(), 0);
        assert!(budget.holders.lock().networks.is_empty());
    }

    #[test]
    fn an_ipv6_network_is_judged_in_three_tiers() {
        let (budget, notice) = (Budget::new(1, 99), Notice::default());
        let mut held = Vec::new();
        let mut admit = |address: &str| {
            let permit = budget.admit(source(address), &notice);
            let admitted = permit.is_some();
            held.extend(permit);
            admitted
        };
        assert!(admit("2001:db8:0:100::1"));
        assert!(!admit("2001:db8:0:100::2"), "the same /64");
        assert!(admit("2001:db8:0:101::1"));
        assert!(!admit("2001:db8:0:102::1"), "a /56 has two shares");
        assert!(admit("2001:db8:0:200::1") && admit("2001:db8:0:300::1"));
        assert!(!admit("2001:db8:0:400::1"), "a /48 has four shares");
        assert!(admit("2001:db8:1::1"), "another site");
        drop(held);
        assert!(budget.holders.lock().networks.is_empty());
    }

    #[tokio::test]
    async fn where_all_is_full_the_oldest_of_the_largest_holder_goes() {
        let budget = Budget::new(9, 4);
        let notices: Vec<_> = (0..6).map(|_| Notice::default()).collect();
        let admit = |address, n: usize| budget.admit(source(address), &notices[n]);
        // Three /64 of one site, one of them twice; and a stranger, who came first.
        let stranger = admit("192.0.2.1", 0);
        let site = [admit("2001:db8:0:1::1", 1), admit("2001:db8:0:2::1", 2), admit("2001:db8:0:2::2", 3)];
        assert!(stranger.is_some() && site.iter().all(Option::is_some));
        let newcomer = admit("192.0.2.2", 4);
        assert!(newcomer.is_some());
        assert_eq!(budget.count(), 4);
        for (n, expected) in [false, false, true, false, false].into_iter().enumerate() {
            assert_eq!(told(&notices[n]).await, expected, "{n}");
        }
        // Its own end frees no second place.
        drop(site);
        assert_eq!(budget.count(), 2);
        drop((stranger, newcomer));
        assert_eq!((budget.count(), budget.holders.lock().leaving), (0, 0));
    }

    #[tokio::test]
    async fn what_was_settled_stays() {
        let (budget, old, new) = (Budget::new(9, 2), Notice::default(), Notice::default());
        let mut settled = budget.admit(source("192.0.2.1"), &old).expect("a place");
        settled.settle();
        let _second = budget.admit(source("192.0.2.1"), &new).expect("a place");
        let _third = budget.admit(source("192.0.2.2"), &Notice::default()).expect("the second's");
        assert!(!told(&old).await && told(&new).await);
        assert!(budget.admit_for_good(source("192.0.2.3")).is_none(), "nobody has to go for it");
        drop(settled);
        assert_eq!(budget.count(), 1);
    }

    #[test]
    fn only_so_many_are_on_their_way_out_at_once() {
        let (budget, notice) = (Budget::new(9, 2), Notice::default());
        let held: Vec<_> = (0..5).map(|_| budget.admit(source("192.0.2.1"), &notice)).collect();
        assert_eq!(held.iter().flatten().count(), 4, "two went for two, and have not gone");
        drop(held);
        assert!(budget.admit(source("192.0.2.1"), &notice).is_some());
    }

    #[test]
    fn a_proxy_has_no_share_to_use_up() {
        let (budget, notice) = (Budget::new(1, 3), Notice::default());
        let proxy = Holder::Proxy("192.0.2.1".parse().expect("address"));
        let held = [budget.admit(proxy, &notice), budget.admit(proxy, &notice), budget.admit(proxy, &notice)];
        assert!(held.iter().all(Option::is_some));
        assert!(budget.admit(source("192.0.2.2"), &notice).is_some(), "and is the largest holder");
    }
}
