//! When to try again: never sooner than told, and not all at once.

use std::time::Duration;

use transom_tunnel::{Refusal, Retry};

/// Whoever cannot reach the server waits longer each time, up to this.
const CAP: Duration = Duration::from_secs(60);

/// How often it went wrong in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It went well.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after this; none: for ever. `random` spreads those who were told the same over half as long again.
    pub(crate) fn after(&mut self, refusal: &Refusal, random: u16) -> Option<Duration> {
        let Retry::After(told) = refusal.retry else { return None };
        let own = Refusal::FIRST_RETRY.saturating_mul(1 << self.failures.min(6)).min(CAP);
        // The first wait is the server's own; a server that says less than the first step is believed.
        let wait = if self.failures == 0 { told } else { told.max(own) };
        self.failures = self.failures.saturating_add(1);
        Some(wait + wait.mul_f64(f64::from(random) / f64::from(u16::MAX) / 2.0))
    }
}

/// Sixteen random bits; none where the system has none, which spreads nothing and hurts nobody.
pub(crate) fn random() -> u16 {
    let mut bytes = [0; 2];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u16::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_tunnel::Fault;

    #[test]
    fn nobody_is_faster_than_told_and_waits_grow_to_a_cap() {
        let mut backoff = Backoff::default();
        let lost = Refusal::from(Fault::CloudConnectivityError);
        let waits: Vec<u64> =
            (0..6).filter_map(|_| backoff.after(&lost, 0)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        assert_eq!(backoff.after(&lost, u16::MAX), Some(Duration::from_secs(90)));
        let told = Refusal::from(Fault::Superseded);
        assert_eq!(backoff.after(&told, 0), Some(Duration::from_secs(300)));
        assert_eq!(backoff.after(&Fault::CloudAuthenticationFailed.into(), 0), None);
        backoff.reset();
        assert_eq!(backoff.after(&lost, 0), Some(Duration::from_secs(5)));
    }
}
