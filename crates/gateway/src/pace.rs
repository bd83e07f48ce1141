//! The length of the frames to a viewer.
//!
//! A browser shows no byte of a WebSocket message before the last one has arrived. On a slow line a
//! long frame is therefore a long silence; on a fast line short frames are overhead. So frames
//! begin short. They double while the viewer takes each promptly, and halve when it takes long.

use std::time::Duration;

use tokio::time::Instant;

/// The longest frame in bytes. On a line that suddenly drops to 8 KB/s it takes 16 seconds; a page
/// waits for 25.
pub(super) const MOST: usize = 128 * 1024;
/// The length of the first frame: two seconds at 8 KB/s.
const FIRST: usize = 16 * 1024;
/// The shortest frame: one second at 2 KB/s, slower than any line that can show a screen.
const LEAST: usize = 2 * 1024;
/// The time within which a frame must be taken for a longer one to follow.
const PROMPT: Duration = Duration::from_millis(100);
/// The time after which a frame counts as slow, so that a shorter one follows.
const LONG: Duration = Duration::from_secs(1);

/// The length of the next frame.
#[derive(Debug)]
pub(super) struct Pace {
    limit: usize,
    most: usize,
    /// The frame that the viewer is taking: its start, and `true` if it has full length.
    begun: Option<(Instant, bool)>,
}

impl Pace {
    /// The pace of an unknown line, with no frame longer than `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { limit: FIRST.min(most), most, begun: None }
    }

    /// The limit of the next frame in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns `true` if the line has proved fast.
    pub(super) fn is_full(&self) -> bool {
        self.limit == self.most
    }

    /// Notes that the viewer took a frame at once.
    pub(super) fn taken_at_once(&mut self, len: usize) {
        if len >= self.limit {
            self.limit = self.most.min(2 * self.limit);
        }
    }

    /// Notes that the viewer has not taken all of a frame.
    pub(super) fn held_up(&mut self, len: usize, now: Instant) {
        self.begun = Some((now, len >= self.limit));
    }

    /// Notes that the viewer took the whole frame.
    pub(super) fn taken(&mut self, now: Instant) {
        let Some((begun, whole)) = self.begun.take() else { return };
        let took = now.saturating_duration_since(begun);
        if took >= LONG {
            self.limit = (self.limit / 2).max(LEAST);
        } else if whole && took <= PROMPT {
            self.limit = self.most.min(2 * self.limit);
        }
    }

    /// Returns `true` while the viewer is taking a frame.
    pub(super) fn is_busy(&self) -> bool {
        self.begun.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a frame of full length, which the viewer takes after this long.
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
        // The kernel takes the first frames at once, even if they wait further on.
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
