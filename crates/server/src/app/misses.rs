//! How often a source may show what is not known here: tokens that an existing cloud has to be asked about, and numbers short
//! enough to be guessed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::network;

/// The time in which a source's allowance comes back whole.
const PERIOD: Duration = Duration::from_secs(60);

/// One bucket for each source; loopback is exempt.
pub(crate) struct MissBudget {
    most: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl MissBudget {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { most: f64::from(per_minute.max(1)), buckets: Mutex::default() }
    }

    /// Takes one from the source's allowance; false where nothing is left.
    pub(crate) fn take(&self, source: IpAddr) -> bool {
        let source = network::of(source);
        if source.is_loopback() {
            return true;
        }
        let mut buckets = self.buckets.lock();
        let bucket = buckets.entry(source).or_insert_with(|| Bucket { left: self.most, at: Instant::now() });
        bucket.refill(self.most);
        let allowed = bucket.left >= 1.0;
        if allowed {
            bucket.left -= 1.0;
        }
        allowed
    }

    /// It was no miss.
    pub(crate) fn give_back(&self, source: IpAddr) {
        if let Some(bucket) = self.buckets.lock().get_mut(&network::of(source)) {
            bucket.left = (bucket.left + 1.0).min(self.most);
        }
    }

    /// Forgets sources that have not missed lately.
    pub(crate) fn tidy(&self) {
        self.buckets.lock().retain(|_, bucket| bucket.at.elapsed() < PERIOD);
    }
}

impl Bucket {
    fn refill(&mut self, most: f64) {
        let now = Instant::now();
        let back = most * (now - self.at).as_secs_f64() / PERIOD.as_secs_f64();
        *self = Self { left: (self.left + back).min(most), at: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_misses_too_often_waits_and_no_other_does() {
        let budget = MissBudget::new(2);
        let (guesser, other): (IpAddr, IpAddr) = ([203, 0, 113, 5].into(), [203, 0, 113, 6].into());
        for _ in 0..10 {
            assert!(budget.take(other), "who misses nothing");
            budget.give_back(other);
        }
        assert!(budget.take(guesser) && budget.take(guesser));
        assert!(!budget.take(guesser));
        assert!(budget.take(other));
        assert!((0..10).all(|_| budget.take([127, 0, 0, 1].into())), "loopback");
    }
}
