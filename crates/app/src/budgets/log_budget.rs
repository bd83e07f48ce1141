//! Limits on log and audit records for events that a caller can repeat. Without them the holder of
//! a link could fill the database.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::{DefaultKeyedRateLimiter, Quota};
use parking_lot::Mutex;
use transom_model::EndReason;
use transom_model::audit::Actor;
use transom_model::cloud::CloudAddress;
use transom_model::id::{GrantId, SessionId};
use transom_model::secret::TokenDigest;
use transom_net::network;

use crate::budgets::bucket::Bucket;

/// The time after which a repeated refusal of a link is audited again.
const NEWS: Duration = Duration::from_secs(60);

/// The refusals of one source that are logged individually per minute. A typing error is visible,
/// and guessing does not flood the log.
const FAILURES: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// The refusals of one kind to one connector that are logged individually per minute. A few
/// attempts are visible, and a scan of all addresses does not fill the database.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// The bad requests of one caller that are audited per minute. A faulty script is visible, and a
/// loop does not fill the database. The log has all of them.
const BAD_REQUESTS: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// The exchanges of one session per minute. A page with an unreliable network retries with pauses
/// of up to 15 s, and a person reloads a few times. Each exchange is a write.
const EXCHANGES: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// The old tickets of one session that are audited individually per minute. A copy can be presented
/// any number of times.
const OLD_TICKETS: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// A link without a limit on uses gets tickets for this many times its simultaneous sessions, and
/// as many again each minute. Viewers who come and go are not refused, and a program in a loop
/// causes no more writes than that.
const TURNOVER: usize = 4;

/// The number of tickets that each link may still issue. The table has entries only for valid links
/// that issued a ticket, so invalid tokens occupy no memory.
struct Tickets {
    most: f64,
    left: Mutex<HashMap<TokenDigest, Bucket>>,
}

impl Tickets {
    fn new(most: usize) -> Self {
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        Self { most: f64::from(most), left: Mutex::default() }
    }

    fn has_one(&self, link: TokenDigest) -> bool {
        self.left.lock().get_mut(&link).is_none_or(|left| left.has_one(self.most, Instant::now()))
    }

    fn take(&self, link: TokenDigest) {
        let full = Bucket::full(self.most, Instant::now());
        self.left.lock().entry(link).or_insert(full).take();
    }

    fn tidy(&self) {
        let mut left = self.left.lock();
        left.retain(|_, left| !left.is_idle());
        left.shrink_to_fit();
    }
}

/// The budgets of log and audit records, tickets and exchanges, per link, session, source,
/// connector or caller.
pub(crate) struct LogBudget {
    refusals: DefaultKeyedRateLimiter<(GrantId, EndReason)>,
    tickets: Tickets,
    failures: DefaultKeyedRateLimiter<IpAddr>,
    connections: DefaultKeyedRateLimiter<(CloudAddress, &'static str)>,
    bad_requests: DefaultKeyedRateLimiter<String>,
    exchanges: DefaultKeyedRateLimiter<SessionId>,
    old_tickets: DefaultKeyedRateLimiter<SessionId>,
}

impl LogBudget {
    /// Creates the budgets. `sessions_per_link` determines the tickets of a link without a limit on
    /// uses.
    pub(crate) fn new(sessions_per_link: usize) -> Self {
        let once = Quota::with_period(NEWS).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
        Self {
            refusals: DefaultKeyedRateLimiter::keyed(once.allow_burst(NonZeroU32::MIN)),
            tickets: Tickets::new(sessions_per_link.saturating_mul(TURNOVER)),
            failures: DefaultKeyedRateLimiter::keyed(Quota::per_minute(FAILURES)),
            connections: DefaultKeyedRateLimiter::keyed(Quota::per_minute(CONNECTIONS)),
            bad_requests: DefaultKeyedRateLimiter::keyed(Quota::per_minute(BAD_REQUESTS)),
            exchanges: DefaultKeyedRateLimiter::keyed(Quota::per_minute(EXCHANGES)),
            old_tickets: DefaultKeyedRateLimiter::keyed(Quota::per_minute(OLD_TICKETS)),
        }
    }

    /// Returns whether to log another refusal to this unauthenticated source.
    pub(crate) fn is_news_from(&self, source: IpAddr) -> bool {
        self.failures.check_key(&network::of(source)).is_ok()
    }

    /// Returns whether to audit this refusal again.
    pub(crate) fn is_news(&self, grant: GrantId, reason: EndReason) -> bool {
        self.refusals.check_key(&(grant, reason)).is_ok()
    }

    /// Returns whether to audit this refusal to a connector again.
    pub(crate) fn is_news_to(&self, connector: &CloudAddress, refusal: &'static str) -> bool {
        self.connections.check_key(&(connector.clone(), refusal)).is_ok()
    }

    /// Returns whether to audit another bad request of this caller.
    pub(crate) fn is_news_by(&self, actor: &Actor) -> bool {
        self.bad_requests.check_key(&actor.to_string()).is_ok()
    }

    /// Returns whether the link with this token may issue another ticket. Any other token returns
    /// `true`.
    pub(crate) fn has_ticket(&self, token: TokenDigest) -> bool {
        self.tickets.has_one(token)
    }

    /// Counts a ticket that the link issued.
    pub(crate) fn gave_ticket(&self, token: TokenDigest) {
        self.tickets.take(token);
    }

    /// Returns whether the session's ticket may be exchanged again.
    pub(crate) fn has_exchange(&self, session: SessionId) -> bool {
        self.exchanges.check_key(&session).is_ok()
    }

    /// Returns whether to audit another old ticket of this session.
    pub(crate) fn is_news_of_old_ticket(&self, session: SessionId) -> bool {
        self.old_tickets.check_key(&session).is_ok()
    }

    /// Forgets links, sessions, sources, connectors and callers without recent events.
    pub(crate) fn tidy(&self) {
        self.refusals.retain_recent();
        self.refusals.shrink_to_fit();
        self.tickets.tidy();
        self.failures.retain_recent();
        self.failures.shrink_to_fit();
        self.connections.retain_recent();
        self.connections.shrink_to_fit();
        self.bad_requests.retain_recent();
        self.bad_requests.shrink_to_fit();
        self.exchanges.retain_recent();
        self.exchanges.shrink_to_fit();
        self.old_tickets.retain_recent();
        self.old_tickets.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_link_leaves_nothing_and_a_link_has_its_tickets() {
        let log_budget = LogBudget::new(1);
        for n in 0..1000 {
            assert!(log_budget.has_ticket(TokenDigest::of(&format!("guess {n}"))));
        }
        assert_eq!(log_budget.tickets.left.lock().len(), 0);
        let link = TokenDigest::of("a link");
        let given =
            (0..100).take_while(|_| log_budget.has_ticket(link)).map(|_| log_budget.gave_ticket(link));
        assert_eq!(given.count(), TURNOVER);
        assert_eq!(log_budget.tickets.left.lock().len(), 1);
        // Simultaneous exchanges may take more than are left. The debt must refill first.
        log_budget.gave_ticket(link);
        assert!(!log_budget.has_ticket(link) && log_budget.has_ticket(TokenDigest::of("another")));
    }
}
