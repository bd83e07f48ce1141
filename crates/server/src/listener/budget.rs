//! Budgets of connections, for each source and for all, so that whoever holds too many starves only itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::app::network;

/// A budget and who uses it.
pub struct Budget {
    per_source: usize,
    in_all: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    by_source: HashMap<IpAddr, usize>,
    in_all: usize,
}

/// One connection's place; given up when dropped.
pub struct Permit {
    budget: Arc<Budget>,
    /// Whose share it counts in; none: only in all.
    source: Option<IpAddr>,
}

impl Budget {
    /// So many for each source, and so many in all.
    #[must_use]
    pub fn new(per_source: usize, in_all: usize) -> Arc<Self> {
        Arc::new(Self { per_source, in_all, counts: Mutex::default() })
    }

    /// A place for a connection from this source; none where the budget is used up.
    pub fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Permit> {
        self.place(Some(network::of(source)))
    }

    /// A place for a connection that carries many people's requests: a proxy's.
    pub fn admit_proxy(self: &Arc<Self>) -> Option<Permit> {
        self.place(None)
    }

    fn place(self: &Arc<Self>, source: Option<IpAddr>) -> Option<Permit> {
        let mut counts = self.counts.lock();
        if counts.in_all >= self.in_all {
            return None;
        }
        if let Some(source) = source {
            let count = counts.by_source.entry(source).or_default();
            if *count >= self.per_source {
                return None;
            }
            *count += 1;
        }
        counts.in_all += 1;
        Some(Permit { budget: Arc::clone(self), source })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.counts.lock().in_all
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.budget.counts.lock();
        counts.in_all -= 1;
        let Some(source) = self.source else { return };
        if let Some(count) = counts.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                counts.by_source.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_uses_its_budget_up_starves_only_itself() {
        let budget = Budget::new(2, 4);
        let source = |text: &str| text.parse::<IpAddr>().expect("address");
        let held: Vec<_> = (0..3).map(|_| budget.admit(source("192.0.2.1"))).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        let other = budget.admit(source("192.0.2.2"));
        assert!(other.is_some());
        drop((held, other));
        assert_eq!(budget.count(), 0);
    }

    #[test]
    fn an_ipv6_network_of_one_customer_is_one_source() {
        let budget = Budget::new(1, 9);
        let first = budget.admit("2001:db8::1".parse().expect("address"));
        assert!(first.is_some());
        assert!(budget.admit("2001:db8::2".parse().expect("address")).is_none());
    }

    #[test]
    fn a_proxys_connections_count_in_all_only() {
        let budget = Budget::new(1, 2);
        let held = [budget.admit_proxy(), budget.admit_proxy()];
        assert!(held.iter().all(Option::is_some));
        assert!(budget.admit_proxy().is_none());
        drop(held);
        assert_eq!(budget.count(), 0);
    }
}
