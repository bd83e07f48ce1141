//! The beats to a viewer, which keep its connection alive: one in each period, at a different
//! moment for each session.
//!
//! Sessions that were opened together would otherwise get their beats together, and thousands of
//! timers, packets and answers at once would delay everybody's work. A late beat does not move
//! those after it, so a pause of the whole node does not bring the sessions into step either.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::Instant;

use super::limits::BEAT_EVERY;

/// The golden ratio as a fraction of a period. If each session's phase differs from that of the
/// session before it by this step, any number of sessions is spread evenly over the period.
const STEP: u32 = 0x9E37_79B9;

/// The moments at which a viewer gets a beat.
#[derive(Debug)]
pub(super) struct Beats {
    next: Instant,
}

impl Beats {
    /// Beats from now on, the first one within a period.
    pub(super) fn begin(now: Instant) -> Self {
        static PHASE: AtomicU32 = AtomicU32::new(STEP);
        let phase = PHASE.fetch_add(STEP, Ordering::Relaxed);
        Self { next: now + BEAT_EVERY.mul_f64(f64::from(phase) / f64::from(u32::MAX)) }
    }

    /// The time of the next beat.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Returns `true` when a beat is due, and then sets the next one to a later period.
    pub(super) fn are_due(&mut self, now: Instant) -> bool {
        let Some(late) = now.checked_duration_since(self.next) else { return false };
        let missed = u32::try_from(late.as_millis() / BEAT_EVERY.as_millis()).unwrap_or(u32::MAX - 1);
        self.next += BEAT_EVERY * (missed + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The number of sessions, opened together, that get a beat in the busiest of the thousand
    /// parts of a period.
    fn busiest(beats: &[Beats], begun: Instant) -> usize {
        let part = |beats: &Beats| {
            let phase = (beats.next() - begun).as_micros() % BEAT_EVERY.as_micros();
            (phase * 1000 / BEAT_EVERY.as_micros()) as usize
        };
        let mut parts = [0; 1000];
        beats.iter().for_each(|beats| parts[part(beats)] += 1);
        parts.into_iter().max().unwrap_or_default()
    }

    #[test]
    fn sessions_that_are_opened_together_are_beaten_at_different_moments_even_after_a_delay() {
        let begun = Instant::now();
        let mut beats: Vec<_> = (0..9000).map(|_| Beats::begin(begun)).collect();
        assert!(beats.iter().all(|beats| beats.next() <= begun + BEAT_EVERY), "within a period");
        assert!(busiest(&beats, begun) <= 14, "of nine");
        // The node stands still for two and a half periods. Each viewer then gets one beat, and the
        // next ones at its own moment again.
        let late = begun + BEAT_EVERY * 5 / 2;
        assert!(beats.iter_mut().all(|beats| beats.are_due(late)));
        assert!(!beats.iter_mut().any(|beats| beats.are_due(late)));
        assert!(beats.iter().all(|beats| beats.next() > late && beats.next() <= late + BEAT_EVERY));
        assert!(busiest(&beats, begun) <= 14, "of nine");
    }

    #[test]
    fn a_beat_that_comes_a_little_late_moves_none_after_it() {
        let mut beats = Beats::begin(Instant::now());
        let first = beats.next();
        assert!(!beats.are_due(first - Duration::from_millis(1)));
        assert!(beats.are_due(first + Duration::from_millis(7)));
        assert_eq!(beats.next(), first + BEAT_EVERY);
    }
}
