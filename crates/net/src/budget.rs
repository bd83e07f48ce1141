//! Limits on the number of connections, for each source and in total.
//!
//! A source that has used up its share is refused. When all places are taken, the oldest connection
//! of the largest holder is evicted. A new source therefore gets in even if other sources have used
//! up their shares and all places. A connection through a declared proxy counts for the client that
//! the proxy names. Until the proxy names a client, the connection counts for the proxy; proxies
//! are evicted first only when they hold more than half of all places.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::network::{self, Network, Tiers};

/// A limit on connections, and the connections that count towards it.
pub struct Budget {
    per_source: usize,
    in_all: usize,
    holders: Mutex<Holders>,
}

/// The party that a connection counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A source, which may hold a limited share.
    Source(IpAddr),
    /// A declared proxy. It carries many clients' requests, so its share is not limited.
    Proxy(IpAddr),
}

/// The signal that evicts a connection.
#[derive(Clone, Debug, Default)]
pub struct Notice(Arc<Notify>);

impl Notice {
    /// Waits until the connection is evicted. Cancel-safe.
    pub async fn served(&self) {
        self.0.notified().await;
    }
}

/// The place of one connection. Dropping it frees the place.
pub struct Permit {
    budget: Arc<Budget>,
    /// The source whose share the connection uses; `None` for a proxy's connection.
    share: Option<IpAddr>,
    /// The holder that the connection counts for, and its serial number. `None` if the connection
    /// cannot be evicted.
    movable: Option<(Holder, u64)>,
}

#[derive(Default)]
struct Holders {
    sources: Kind,
    proxies: Kind,
    in_all: usize,
    /// The number of evicted connections that have not ended yet.
    leaving: usize,
    serial: u64,
}

/// The holders of one kind.
#[derive(Default)]
struct Kind {
    networks: HashMap<Network, Held>,
    /// The widest networks, ordered by the number of their movable connections.
    widest: BTreeSet<(usize, Network)>,
    /// The number of movable connections, i.e. those that can be evicted.
    movable: usize,
}

/// The connections of a network.
#[derive(Default)]
struct Held {
    /// The number of connections that use its share.
    places: usize,
    /// The number of connections that can be evicted, including those that proxies carry for it.
    movable: usize,
    /// The networks within it, ordered by the number of their movable connections.
    within: BTreeSet<(usize, Network)>,
    /// The connections of the narrowest network, by age.
    connections: BTreeMap<u64, Movable>,
}

/// A connection that can be evicted.
struct Movable {
    notice: Notice,
    /// True if it uses its holder's share.
    shares: bool,
}

impl Budget {
    /// Creates a budget with these limits for each source and in total.
    #[must_use]
    pub fn new(per_source: usize, in_all: usize) -> Arc<Self> {
        Arc::new(Self { per_source, in_all, holders: Mutex::default() })
    }

    /// Returns a place for a connection, or `None` if its source's share is used up. When all
    /// places are taken, the oldest connection of the largest holder is evicted through its
    /// `notice`, and its place is free at once. Returns `None` if as many evicted connections as
    /// the limit in total have not ended yet.
    pub fn admit(self: &Arc<Self>, holder: Holder, notice: &Notice) -> Option<Permit> {
        self.place(holder, Some(notice))
    }

    /// Returns a place for a connection that is never evicted, and that evicts no other connection.
    pub fn admit_for_good(self: &Arc<Self>, holder: Holder) -> Option<Permit> {
        self.place(holder, None)
    }

    fn place(self: &Arc<Self>, holder: Holder, notice: Option<&Notice>) -> Option<Permit> {
        let share = match holder {
            Holder::Source(source) => Some(source),
            Holder::Proxy(_) => None,
        };
        let mut holders = self.holders.lock();
        if share.is_some_and(|source| holders.sources.is_full(source, self.per_source)) {
            return None;
        }
        if holders.in_all >= self.in_all && (notice.is_none() || !holders.make_room(self.in_all)) {
            return None;
        }
        holders.in_all += 1;
        let movable = notice.map(|notice| {
            holders.serial += 1;
            let serial = holders.serial;
            let movable = Movable { notice: notice.clone(), shares: share.is_some() };
            holders.enter(holder, serial, movable);
            (holder, serial)
        });
        if movable.is_none() {
            holders.keep(share, 1);
        }
        Some(Permit { budget: Arc::clone(self), share, movable })
    }

    /// Returns the number of connections.
    pub fn count(&self) -> usize {
        self.holders.lock().in_all
    }
}

impl Holders {
    fn kind(&mut self, holder: Holder) -> (&mut Kind, Tiers) {
        match holder {
            Holder::Source(address) => (&mut self.sources, network::tiers(address)),
            Holder::Proxy(address) => (&mut self.proxies, network::tiers(address)),
        }
    }

    fn enter(&mut self, holder: Holder, serial: u64, movable: Movable) {
        let (kind, tiers) = self.kind(holder);
        kind.enter(&tiers, serial, movable);
    }

    /// Removes and returns the connection, unless it was evicted.
    fn leave(&mut self, holder: Holder, serial: u64) -> Option<Movable> {
        let (kind, tiers) = self.kind(holder);
        kind.leave(&tiers, serial)
    }

    /// Adds connections that cannot be evicted to this share; `places` may be negative.
    fn keep(&mut self, share: Option<IpAddr>, places: isize) {
        if let Some(source) = share {
            self.sources.count(&network::tiers(source), places, 0);
        }
    }

    /// Evicts the oldest connection of the largest holder. Returns false if that is not possible.
    fn make_room(&mut self, most: usize) -> bool {
        if self.leaving >= most {
            return false;
        }
        // Sources come first, because a proxy usually is the largest holder and would always lose.
        // But the clients of a proxy must not displace all other sources.
        let mut order = [&mut self.sources, &mut self.proxies];
        if order[1].movable > most / 2 {
            order.reverse();
        }
        let Some(movable) = order.into_iter().find_map(Kind::oldest_of_the_largest) else { return false };
        self.in_all -= 1;
        self.leaving += 1;
        movable.notice.0.notify_one();
        true
    }
}

impl Kind {
    /// Returns whether one of the networks around the source has used up its share.
    fn is_full(&self, source: IpAddr, per_source: usize) -> bool {
        network::tiers(source).iter().any(|tier| {
            let places = self.networks.get(&tier.network).map_or(0, |held| held.places);
            places >= per_source.saturating_mul(tier.shares as usize)
        })
    }

    fn enter(&mut self, tiers: &Tiers, serial: u64, movable: Movable) {
        let shares = isize::from(movable.shares);
        if let Some(narrowest) = tiers.last() {
            self.networks.entry(narrowest.network).or_default().connections.insert(serial, movable);
        }
        self.count(tiers, shares, 1);
    }

    fn leave(&mut self, tiers: &Tiers, serial: u64) -> Option<Movable> {
        let held = self.networks.get_mut(&tiers.last()?.network)?;
        let movable = held.connections.remove(&serial)?;
        self.count(tiers, -isize::from(movable.shares), -1);
        Some(movable)
    }

    /// Adds to the counts of all networks along the tiers; the changes may be negative.
    fn count(&mut self, tiers: &Tiers, places: isize, movable: isize) {
        self.movable = self.movable.saturating_add_signed(movable);
        let mut wider: Option<Network> = None;
        for tier in tiers.iter() {
            let held = self.networks.entry(tier.network).or_default();
            let before = held.movable;
            held.places = held.places.saturating_add_signed(places);
            held.movable = before.saturating_add_signed(movable);
            let (now, gone) = (held.movable, held.places == 0 && held.movable == 0);
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
            // The networks within it are then empty as well.
            if gone {
                self.networks.remove(&tier.network);
            }
            wider = Some(tier.network);
        }
    }

    fn oldest_of_the_largest(&mut self) -> Option<Movable> {
        let (_, mut network) = *self.widest.last()?;
        while let Some(&(_, narrower)) = self.networks.get(&network).and_then(|held| held.within.last()) {
            network = narrower;
        }
        let (&serial, _) = self.networks.get(&network)?.connections.first_key_value()?;
        self.leave(&network::tiers(network.0), serial)
    }
}

impl Permit {
    /// Makes the place permanent: the connection can no longer be evicted.
    pub fn settle(&mut self) {
        let Some((holder, serial)) = self.movable else { return };
        let mut holders = self.budget.holders.lock();
        // A connection that is already evicted stays so.
        if holders.leave(holder, serial).is_some() {
            self.movable = None;
            holders.keep(self.share, 1);
        }
    }

    /// Counts a proxy's connection for this client from now on, because it carries this client's
    /// request. A source's own connection does not change.
    pub fn is_for(&mut self, client: IpAddr) {
        let (None, Some((before, serial))) = (self.share, self.movable) else { return };
        let now = Holder::Source(client);
        if before == now {
            return;
        }
        let mut holders = self.budget.holders.lock();
        if let Some(movable) = holders.leave(before, serial) {
            holders.enter(now, serial, movable);
            self.movable = Some((now, serial));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut holders = self.budget.holders.lock();
        match self.movable {
            None => holders.keep(self.share, -1),
            Some((holder, serial)) if holders.leave(holder, serial).is_some() => {}
            Some(_) => {
                holders.leaving -= 1;
                return;
            }
        }
        holders.in_all -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Budget {
        fn is_empty(&self) -> bool {
            let holders = self.holders.lock();
            let kinds = [&holders.sources, &holders.proxies];
            kinds.iter().all(|kind| kind.networks.is_empty() && kind.widest.is_empty() && kind.movable == 0)
        }
    }

    fn source(text: &str) -> Holder {
        Holder::Source(text.parse().expect("address"))
    }

    fn proxy(text: &str) -> Holder {
        Holder::Proxy(text.parse().expect("address"))
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
        assert!(budget.is_empty());
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
        assert!(budget.is_empty());
    }

    #[tokio::test]
    async fn where_all_is_full_the_oldest_of_the_largest_holder_goes() {
        let budget = Budget::new(9, 4);
        let notices: Vec<_> = (0..6).map(|_| Notice::default()).collect();
        let admit = |address, n: usize| budget.admit(source(address), &notices[n]);
        // Three /64 of one site, one of them twice, and a stranger that came first.
        let stranger = admit("192.0.2.1", 0);
        let site = [admit("2001:db8:0:1::1", 1), admit("2001:db8:0:2::1", 2), admit("2001:db8:0:2::2", 3)];
        assert!(stranger.is_some() && site.iter().all(Option::is_some));
        let newcomer = admit("192.0.2.2", 4);
        assert!(newcomer.is_some());
        assert_eq!(budget.count(), 4);
        for (n, expected) in [false, false, true, false, false].into_iter().enumerate() {
            assert_eq!(told(&notices[n]).await, expected, "{n}");
        }
        // An evicted connection does not free a second place when it ends.
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
        assert!(budget.admit_for_good(source("192.0.2.3")).is_none(), "no connection has to go for it");
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
        let held: Vec<_> = (0..3).map(|_| budget.admit(proxy("192.0.2.1"), &notice)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(budget.admit(source("192.0.2.2"), &notice).is_some(), "and is the largest holder");
        drop(held);
        assert!(budget.is_empty());
    }

    #[tokio::test]
    async fn a_proxy_keeps_half_of_all_places_and_no_more() {
        let (budget, proxied, direct) = (Budget::new(9, 8), Notice::default(), Notice::default());
        // The proxy holds more than any other.
        let held: Vec<_> = (0..4).map(|_| budget.admit(proxy("192.0.2.1"), &proxied)).collect();
        let others: Vec<_> = (2..6).map(|n| budget.admit(source(&format!("192.0.2.{n}")), &direct)).collect();
        let newcomers =
            [budget.admit(source("192.0.2.9"), &direct), budget.admit(proxy("192.0.2.1"), &proxied)];
        assert!(newcomers.iter().all(Option::is_some));
        assert!(told(&direct).await && !told(&proxied).await);
        // With the last connection it has more than half.
        assert!(budget.admit(source("192.0.2.10"), &direct).is_some());
        assert!(told(&proxied).await);
        drop((held, others, newcomers));
        assert!(budget.is_empty());
        assert_eq!((budget.count(), budget.holders.lock().leaving), (0, 0));
    }

    #[tokio::test]
    async fn what_a_proxy_carries_goes_as_its_clients_and_uses_no_share_of_theirs() {
        let budget = Budget::new(1, 4);
        let notices: Vec<_> = (0..6).map(|_| Notice::default()).collect();
        let client = |n: u8| IpAddr::from([198, 51, 100, n]);
        let mut carried: Vec<_> =
            (0..3).map(|n| budget.admit(proxy("192.0.2.1"), &notices[n]).expect("a place")).collect();
        // The next request of the first connection is another client's.
        for (n, of) in [(0, 7), (1, 7), (2, 7), (0, 8), (0, 8)] {
            carried[n].is_for(client(of));
        }
        let own = budget.admit(Holder::Source(client(7)), &notices[3]);
        assert!(own.is_some(), "what is carried for it is not its share");
        let newcomer = budget.admit(source("203.0.113.1"), &notices[4]);
        assert!(newcomer.is_some());
        for (n, expected) in [false, true, false, false, false].into_iter().enumerate() {
            assert_eq!(told(&notices[n]).await, expected, "{n}");
        }
        // An evicted connection has no holder.
        carried[1].is_for(client(9));
        drop((carried, own, newcomer));
        assert!(budget.is_empty());
        assert_eq!((budget.count(), budget.holders.lock().leaving), (0, 0));
    }
}
