//! How long the frames to a viewer are.
//!
//! A browser shows nothing of a WebSocket message until its last byte has come. On a slow line a long frame is therefore a
//! long silence, and on a fast one short frames cost more than they tell. So frames begin short, double while each is
//! taken promptly, and halve when one takes long.

use std::time::Duration;

use tokio::time::Instant;

/// The longest frame: on a line that suddenly carries 8 KB/s it takes 16 seconds, and a page waits for 25.
pub(super) const MOST: usize = 128 * 1024;
/// The first frame: two seconds at 8 KB/s.
const FIRST: usize = 16 * 1024;
/// The shortest: a second at 2 KB/s, which is less than any line that shows a screen.
const LEAST: usize = 2 * 1024;
/// A frame that is taken within this time may be followed by a longer one.
const PROMPT: Duration = Duration::from_millis(100);
/// One that takes this long is followed by a shorter one.
const LONG: Duration = Duration::from_secs(1);

/// The length of the next frame.
#[derive(Debug)]
pub(super) struct Pace {
    limit: usize,
    most: usize,
    /// The frame that is being taken: since when, and whether it is as long as one may be.
    begun: Option<(Instant, bool)>,
}

impl Pace {
    /// A pace that is not known yet; no frame is ever longer than `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { limit: FIRST.min(most), most, begun: None }
    }

    /// The longest that the next frame may be.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the line has shown that it is fast.
    pub(super) fn is_full(&self) -> bool {
        self.limit == self.most
    }

    /// A frame was taken as soon as it was sent.
    pub(super) fn taken_at_once(&mut self, len: usize) {
        if len >= self.limit {
            self.limit = self.most.min(2 * self.limit);
        }
    }

    /// A frame was sent, and not all of it is taken.
    pub(super) fn held_up(&mut self, len: usize, now: Instant) {
        self.begun = Some((now, len >= self.limit));
    }

    /// What was sent is taken.
    pub(super) fn taken(&mut self, now: Instant) {
        let Some((begun, whole)) = self.begun.take() else { return };
        let took = now.saturating_duration_since(begun);
        if took >= LONG {
            self.limit = (self.limit / 2).max(LEAST);
        } else if whole && took <= PROMPT {
            self.limit = self.most.min(2 * self.limit);
        }
    }

    /// Whether a frame is being taken.
    pub(super) fn is_busy(&self) -> bool {
        self.begun.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a frame of the longest kind, which takes so long.
    fn frame(pace: &mut Pace, took: Duration) -> usize {
        let (len, now) = (pace.limit(), Instant::now());
        pace.held_up(len, now);
        pace.taken(now + took);
        len
    }

    #[test]
    fn frames_grow_on_a_fast_line_and_shrink_on_a_slow_one() {
        let mut pace = Pace::new(MOST);
        let lengths: Vec<_> = (0..5).map(|_| frame(&mut pace, PROMPT) / 1024).collect();
        assert_eq!(lengths, [16, 32, 64, 128, 128]);
        assert!(pace.is_full());
        let lengths: Vec<_> = (0..8).map(|_| frame(&mut pace, LONG) / 1024).collect();
        assert_eq!(lengths, [128, 64, 32, 16, 8, 4, 2, 2]);
        assert_eq!(frame(&mut pace, Duration::from_millis(500)), LEAST);
        assert_eq!(pace.limit(), LEAST, "neither prompt nor long");
    }

    #[test]
    fn a_line_of_8_kb_a_second_is_never_silent_for_long() {
        let mut pace = Pace::new(MOST);
        // The kernel takes the first ones at once, wherever they then wait.
        pace.taken_at_once(pace.limit());
        pace.taken_at_once(pace.limit());
        for _ in 0..20 {
            let took = Duration::from_secs_f64(pace.limit() as f64 / 8000.0);
            assert!(took < Duration::from_secs(9), "{took:?}");
            frame(&mut pace, took);
        }
        assert!(pace.limit() <= 8 * 1024);
    }

    #[test]
    fn short_frames_tell_nothing_of_a_line_unless_they_take_long() {
        let mut pace = Pace::new(MOST);
        pace.taken_at_once(100);
        pace.held_up(100, Instant::now());
        pace.taken(Instant::now());
        assert_eq!(pace.limit(), FIRST);
        let now = Instant::now();
        pace.held_up(100, now);
        pace.taken(now + LONG);
        assert_eq!(pace.limit(), FIRST / 2);
    }
}
