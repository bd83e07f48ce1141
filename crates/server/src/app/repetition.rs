//! What may be repeated at will must not write at will: whoever holds a link could fill the database otherwise.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota};
use transom_model::EndReason;
use transom_model::cloud::CloudAddress;
use transom_model::id::{GrantId, SessionId};
use transom_model::secret::TokenDigest;

use super::{App, network};

/// A refusal that repeats an earlier one is news again after this.
const NEWS: Duration = Duration::from_secs(60);

/// So many refusals of one source a minute are told one by one, whatever it had shown: who mistypes is seen, who guesses
/// floods no log.
const FAILURES: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// So many refusals of one kind to one connector a minute are told one by one: who tries its handful of devices is seen,
/// whoever tries all there may be fills no database.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// A page whose network comes and goes tries with pauses of up to 15 s; a person reloads a few times. A program in a loop
/// would write each time.
const EXCHANGES: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// So many old tickets of one session a minute are audited one by one: a copy can be shown at will.
const OLD_TICKETS: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// A link that opens as often as wanted gets tickets for this many times the sessions that it may have at once, and as many
/// again each minute: people who come and go are not refused, a program that only asks writes no more than that.
const TURNOVER: usize = 4;

impl App {
    /// Whether a refusal to somebody from there, who has proved nothing, belongs into the log once more.
    pub(crate) fn is_news_of(&self, source: IpAddr) -> bool {
        self.repetition.failures.check_key(&network::of(source)).is_ok()
    }
}

/// Budgets of what one link, source or connector may write.
pub(super) struct Repetition {
    refusals: DefaultKeyedRateLimiter<(GrantId, EndReason)>,
    tickets: DefaultKeyedRateLimiter<TokenDigest>,
    failures: DefaultKeyedRateLimiter<IpAddr>,
    connections: DefaultKeyedRateLimiter<(CloudAddress, &'static str)>,
    exchanges: DefaultKeyedRateLimiter<SessionId>,
    old_tickets: DefaultKeyedRateLimiter<SessionId>,
}

impl Repetition {
    /// What a link that opens as often as wanted may be exchanged for depends on how many sessions it may have at once.
    pub(super) fn new(sessions_per_grant: usize) -> Self {
        let tickets = sessions_per_grant.saturating_mul(TURNOVER);
        let tickets = u32::try_from(tickets).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let once = Quota::with_period(NEWS).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
        Self {
            refusals: DefaultKeyedRateLimiter::keyed(once.allow_burst(NonZeroU32::MIN)),
            tickets: DefaultKeyedRateLimiter::keyed(Quota::per_minute(tickets)),
            failures: DefaultKeyedRateLimiter::keyed(Quota::per_minute(FAILURES)),
            connections: DefaultKeyedRateLimiter::keyed(Quota::per_minute(CONNECTIONS)),
            exchanges: DefaultKeyedRateLimiter::keyed(Quota::per_minute(EXCHANGES)),
            old_tickets: DefaultKeyedRateLimiter::keyed(Quota::per_minute(OLD_TICKETS)),
        }
    }

    /// Whether this refusal belongs into the audit once more.
    pub(super) fn is_news(&self, grant: GrantId, reason: EndReason) -> bool {
        self.refusals.check_key(&(grant, reason)).is_ok()
    }

    /// Whether this refusal to a connector belongs into the audit once more.
    pub(super) fn is_news_to(&self, connector: &CloudAddress, refusal: &'static str) -> bool {
        self.connections.check_key(&(connector.clone(), refusal)).is_ok()
    }

    /// Whether the link may be exchanged for one more ticket.
    pub(super) fn has_ticket(&self, token: TokenDigest) -> bool {
        self.tickets.check_key(&token).is_ok()
    }

    /// Whether the session's ticket may be exchanged once more.
    pub(super) fn has_exchange(&self, session: SessionId) -> bool {
        self.exchanges.check_key(&session).is_ok()
    }

    /// Whether an old ticket of this session belongs into the audit once more.
    pub(super) fn is_news_of_old_ticket(&self, session: SessionId) -> bool {
        self.old_tickets.check_key(&session).is_ok()
    }

    /// Forgets links that were not shown lately.
    pub(super) fn tidy(&self) {
        self.refusals.retain_recent();
        self.refusals.shrink_to_fit();
        self.tickets.retain_recent();
        self.tickets.shrink_to_fit();
        self.failures.retain_recent();
        self.failures.shrink_to_fit();
        self.connections.retain_recent();
        self.connections.shrink_to_fit();
        self.exchanges.retain_recent();
        self.exchanges.shrink_to_fit();
        self.old_tickets.retain_recent();
        self.old_tickets.shrink_to_fit();
    }
}
