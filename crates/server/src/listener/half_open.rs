//! Connections that have not sent a request yet: a budget for each source and for all, so that a slow loris starves
//! only itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// The budget and who uses it.
pub struct HalfOpen {
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
    half_open: Arc<HalfOpen>,
    source: IpAddr,
}

impl HalfOpen {
    /// So many for each source, and so many in all.
    #[must_use]
    pub fn new(per_source: usize, in_all: usize) -> Arc<Self> {
        Arc::new(Self { per_source, in_all, counts: Mutex::default() })
    }

    /// A place for a connection from this source; none where the budget is used up.
    pub fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Permit> {
        let source = block(source);
        let mut counts = self.counts.lock();
        if counts.in_all >= self.in_all {
            return None;
        }
        let count = counts.by_source.entry(source).or_default();
        if *count >= self.per_source {
            return None;
        }
        *count += 1;
        counts.in_all += 1;
        Some(Permit { half_open: Arc::clone(self), source })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.counts.lock().in_all
    }
}

/// One customer commonly holds a whole IPv6 /64: it counts as one source.
fn block(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            IpAddr::V6(octets.into())
        }
        v4 => v4,
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.half_open.counts.lock();
        counts.in_all -= 1;
        if let Some(count) = counts.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_uses_its_budget_up_starves_only_itself() {
        let half_open = HalfOpen::new(2, 4);
        let source = |text: &str| text.parse::<IpAddr>().expect("address");
        let held: Vec<_> = (0..3).map(|_| half_open.admit(source("192.0.2.1"))).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        let other = half_open.admit(source("192.0.2.2"));
        assert!(other.is_some());
        drop((held, other));
        assert_eq!(half_open.count(), 0);
    }

    #[test]
    fn an_ipv6_network_of_one_customer_is_one_source() {
        let half_open = HalfOpen::new(1, 9);
        let first = half_open.admit("2001:db8::1".parse().expect("address"));
        assert!(first.is_some());
        assert!(half_open.admit("2001:db8::2".parse().expect("address")).is_none());
    }
}
