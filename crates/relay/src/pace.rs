//! The speed limit of a session (requirement S11): a token bucket, filled continuously.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The capacity of the bucket: an eighth of a second's bytes. Users do not notice such bursts, and
/// not every packet needs a timer.
const BURSTS_PER_SECOND: u32 = 8;

/// A limit in bytes a second, over both directions.
#[derive(Debug)]
pub(super) struct Pace {
    rate: u32,
    /// The bytes that may pass now. Negative after more have passed than the bucket held.
    level: f64,
    filled: Instant,
}

impl Pace {
    /// A full bucket; `None` if there is no limit.
    pub(super) fn of(rate: u32) -> Option<Self> {
        (rate > 0).then(|| Self { rate, level: Self::room(rate), filled: Instant::now() })
    }

    fn room(rate: u32) -> f64 {
        f64::from(rate) / f64::from(BURSTS_PER_SECOND)
    }

    /// Returns the number of bytes that may pass now, or the time to ask again.
    pub(super) fn allows(&mut self) -> Result<usize, Instant> {
        let now = Instant::now();
        let gained = (now - self.filled).as_secs_f64() * f64::from(self.rate);
        self.level = (self.level + gained).min(Self::room(self.rate));
        self.filled = now;
        if self.level >= 1.0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a few bytes up to 2³²"
            )]
            return Ok(self.level as usize);
        }
        // The wait lasts until the bucket is full again, so that a burst passes and not single
        // bytes.
        let missing = Self::room(self.rate) - self.level;
        Err(now + Duration::from_secs_f64(missing / f64::from(self.rate)))
    }

    /// Notes that this many bytes have passed.
    pub(super) fn passed(&mut self, count: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a read's length")]
        let count = count as f64;
        self.level -= count;
    }
}

/// The timer of one direction that waits for the bucket.
#[derive(Default)]
pub(super) struct Paced(Option<Pin<Box<Sleep>>>);

impl Paced {
    /// Returns the number of bytes that may pass, once there are any.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, pace: &mut Option<Pace>) -> Poll<usize> {
        let Some(pace) = pace else { return Poll::Ready(usize::MAX) };
        loop {
            match pace.allows() {
                Ok(most) => {
                    self.0 = None;
                    return Poll::Ready(most);
                }
                Err(later) => {
                    let sleep = self.0.insert(Box::pin(sleep_until(later)));
                    if sleep.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_takes_more_than_the_limit_and_one_burst() {
        for rate in [1024, 999_999_999] {
            let mut pace = Pace::of(rate).expect("a limit");
            let (start, mut passed) = (Instant::now(), 0);
            while start.elapsed() < Duration::from_secs(10) {
                match pace.allows() {
                    Ok(most) => {
                        let count = most.min(64 * 1024);
                        pace.passed(count);
                        passed += count as u64;
                    }
                    Err(later) => tokio::time::sleep_until(later).await,
                }
            }
            let most = u64::from(rate) * 10 + u64::from(rate) / 4;
            assert!((u64::from(rate) * 9..=most).contains(&passed), "{passed} at {rate}");
        }
        assert!(Pace::of(0).is_none());
    }
}
