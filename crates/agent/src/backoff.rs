//! The delay before the next attempt: never shorter than the server demands, and spread over many
//! peers.

use std::time::Duration;

use transom_tunnel::{Refusal, Retry};

/// The longest delay that grows from failures alone.
const CAP: Duration = Duration::from_secs(60);

/// The number of failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Starts again from the shortest delay, after a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The delay after this refusal, or `None` if there is to be no other attempt. `random` adds up
    /// to half of the delay, so that peers with the same refusal do not all come back at once.
    pub(crate) fn after(&mut self, refusal: &Refusal, random: u16) -> Option<Duration> {
        let Retry::After(told) = refusal.retry else { return None };
        let own = Refusal::FIRST_RETRY.saturating_mul(1 << self.failures.min(6)).min(CAP);
        // The first delay is the server's own, even if it is shorter than our first step.
        let wait = if self.failures == 0 { told } else { told.max(own) };
        self.failures = self.failures.saturating_add(1);
        Some(wait + wait.mul_f64(f64::from(random) / f64::from(u16::MAX) / 2.0))
    }
}

/// Sixteen random bits, or zero if the system has none: the delay is then not spread.
pub(crate) fn random() -> u16 {
    let mut bytes = [0; 2];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u16::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_tunnel::RefusalCode;

    #[test]
    fn delays_are_never_shorter_than_told_and_grow_to_a_cap() {
        let mut backoff = Backoff::default();
        let lost = Refusal::from(RefusalCode::CloudConnectivityError);
        let waits: Vec<u64> =
            (0..6).filter_map(|_| backoff.after(&lost, 0)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        assert_eq!(backoff.after(&lost, u16::MAX), Some(Duration::from_secs(90)));
        let told = Refusal::from(RefusalCode::Superseded);
        assert_eq!(backoff.after(&told, 0), Some(Duration::from_secs(300)));
        assert_eq!(backoff.after(&RefusalCode::CloudAuthenticationFailed.into(), 0), None);
        backoff.reset();
        assert_eq!(backoff.after(&lost, 0), Some(Duration::from_secs(5)));
    }
}
