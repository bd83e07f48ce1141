//! Allowances that are used up one by one and refill with time.

use std::time::{Duration, Instant};

/// The time in which an empty allowance refills.
pub(crate) const PERIOD: Duration = Duration::from_secs(60);

/// The remainder of an allowance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn full(most: f64, now: Instant) -> Self {
        Self { left: most, at: now }
    }

    /// Refills the allowance up to `most`, the amount per [`PERIOD`], and returns whether at least
    /// one is left.
    pub(crate) fn has_one(&mut self, most: f64, now: Instant) -> bool {
        let back = most * now.saturating_duration_since(self.at).as_secs_f64() / PERIOD.as_secs_f64();
        *self = Self { left: (self.left + back).min(most), at: now };
        self.left >= 1.0
    }

    /// Takes one. The remainder may become negative, and must then refill before another is left.
    pub(crate) fn take(&mut self) {
        self.left -= 1.0;
    }

    pub(crate) fn give_back(&mut self, most: f64) {
        self.left = (self.left + 1.0).min(most);
    }

    /// Returns whether the allowance is full again, so its entry can be removed.
    pub(crate) fn is_idle(&self) -> bool {
        self.at.elapsed() >= PERIOD
    }
}
