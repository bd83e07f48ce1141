//! Counters and gauges for `/metrics`, in Prometheus' text form.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use transom_model::EndReason;
use transom_model::dialect::Dialect;

/// The value of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word(pub &'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

/// The labels of the counter of links.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GrantLabels {
    dialect: Word,
    outcome: Word,
}

/// The label of the number of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    state: Word,
}

/// The label of counters by end reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    reason: Word,
}

/// The labels of the counter of lookups in an existing cloud.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LookupLabels {
    what: Word,
    outcome: Word,
}

/// The kinds of lookups at an existing cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A console's location.
    ConsoleToken,
    /// A token's user.
    UserToken,
}

/// The kinds of credentials that can be guessed or looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guesses {
    /// Tokens of an existing cloud.
    CloudTokens,
    /// Numeric tickets of devices in the repeater's protocol.
    RepeaterTickets,
    /// Numbers of viewers in the repeater's protocol.
    RepeaterNumbers,
}

impl Guesses {
    fn word(self) -> &'static str {
        match self {
            Self::CloudTokens => "cloud-token",
            Self::RepeaterTickets => "repeater-ticket",
            Self::RepeaterNumbers => "viewer-number",
        }
    }

    /// Returns the plural noun for log lines.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::CloudTokens => "tokens of the existing cloud",
            Self::RepeaterTickets => "numeric tickets of repeater devices",
            Self::RepeaterNumbers => "numbers of repeater viewers",
        }
    }
}

/// The label of the counter of refused guesses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GuessLabel {
    what: Word,
}

/// The label of the counter of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DirectionLabel {
    direction: Word,
}

/// The values that are read at the time of the request.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Sessions that this node carries.
    pub live_sessions: usize,
    /// Tasks that have not ended.
    pub tasks: usize,
}

/// The counters.
pub struct Metrics {
    grants: Family<GrantLabels, Counter>,
    ended: Family<ReasonLabel, Counter>,
    handshakes: Family<ReasonLabel, Counter>,
    lookups: Family<LookupLabels, Counter>,
    guesses: Family<GuessLabel, Counter>,
    /// Sessions that reached the instance's screen.
    pub sessions_started: Counter,
    /// Failed authentications, whatever the front door.
    pub failed_authentications: Counter,
    /// Accepted connections.
    pub connections: Counter,
    /// Connections refused, or ended in favour of newer ones, because too many had sent nothing
    /// yet.
    pub connections_shed: Counter,
    /// Unauthenticated requests that were refused because there was no room for their bodies.
    pub bodies_shed: Counter,
    /// Bytes from instances to viewers.
    pub bytes_to_viewer: Counter,
    /// Bytes from viewers to instances.
    pub bytes_to_instance: Counter,
    /// Seconds from a viewer's claim until the instance's first pixels are sent.
    pub first_byte: Histogram,
    bytes: Family<DirectionLabel, Counter>,
    /// The number of times that this node ended everything that it carried, because the others
    /// might have declared it gone.
    pub fenced: Counter,
    nodes: Family<StateLabel, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let bytes = Family::<DirectionLabel, Counter>::default();
        let direction = |word| bytes.get_or_create(&DirectionLabel { direction: Word(word) }).clone();
        Self {
            grants: Family::default(),
            ended: Family::default(),
            handshakes: Family::default(),
            lookups: Family::default(),
            guesses: Family::default(),
            sessions_started: Counter::default(),
            failed_authentications: Counter::default(),
            connections: Counter::default(),
            connections_shed: Counter::default(),
            bodies_shed: Counter::default(),
            bytes_to_viewer: direction("to-viewer"),
            bytes_to_instance: direction("to-instance"),
            // 1 ms to 16 s.
            first_byte: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            bytes,
            fenced: Counter::default(),
            nodes: Family::default(),
        }
    }
}

impl Metrics {
    /// Counts the creation of a grant, or a use of one, by its outcome.
    pub fn grant(&self, dialect: Dialect, outcome: &'static str) {
        let labels = GrantLabels { dialect: Word(dialect.as_str()), outcome: Word(outcome) };
        self.grants.get_or_create(&labels).inc();
    }

    /// Counts a session that ended.
    pub fn session_ended(&self, reason: EndReason) {
        self.ended.get_or_create(&ReasonLabel { reason: Word(reason.code()) }).inc();
    }

    /// Returns a function that counts the ends of sessions that this node does not carry.
    pub(crate) fn count_end(&self) -> transom_store::CountEnd {
        let ended = self.ended.clone();
        Box::new(move |reason| {
            ended.get_or_create(&ReasonLabel { reason: Word(reason.code()) }).inc();
        })
    }

    /// Counts a session that ended before the instance showed its screen.
    pub fn handshake_failed(&self, reason: EndReason) {
        self.handshakes.get_or_create(&ReasonLabel { reason: Word(reason.code()) }).inc();
    }

    /// Counts a lookup in an existing cloud, also one that was not made because of a limit.
    pub fn lookup(&self, what: Lookup, outcome: &'static str) {
        let what = match what {
            Lookup::ConsoleToken => "console-token",
            Lookup::UserToken => "user-token",
        };
        self.lookups.get_or_create(&LookupLabels { what: Word(what), outcome: Word(outcome) }).inc();
    }

    /// Sets the number of nodes on this database, by state.
    pub(crate) fn set_nodes(&self, counts: impl IntoIterator<Item = (&'static str, usize)>) {
        for (state, count) in counts {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.nodes.get_or_create(&StateLabel { state: Word(state) }).set(count);
        }
    }

    /// Counts a refused try or lookup.
    pub(crate) fn guess_refused(&self, what: Guesses) {
        self.guesses.get_or_create(&GuessLabel { what: Word(what.word()) }).inc();
    }

    /// Returns all metrics in Prometheus' text format.
    #[must_use]
    pub fn text(&self, now: Now) -> String {
        let gauge = |count| ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
        let mut registry = Registry::with_prefix("transom");
        registry.register("links", "Links by dialect and outcome", self.grants.clone());
        registry.register("sessions_live", "Open sessions on this node", gauge(now.live_sessions));
        registry.register(
            "tasks",
            "Tasks of the program: one per connection, and a few more",
            gauge(now.tasks),
        );
        registry.register(
            "sessions_started",
            "Sessions that reached the screen",
            self.sessions_started.clone(),
        );
        registry.register("sessions_ended", "Sessions by end reason", self.ended.clone());
        registry.register(
            "handshake_failures",
            "Consoles that did not reach the screen, by cause",
            self.handshakes.clone(),
        );
        registry.register("cloud_lookups", "Token lookups at the existing cloud", self.lookups.clone());
        registry.register(
            "guesses_refused",
            "Tickets, numbers and tokens that were refused unchecked, because too many had been wrong",
            self.guesses.clone(),
        );
        registry.register_with_unit("session", "Bytes relayed for sessions", Unit::Bytes, self.bytes.clone());
        registry.register_with_unit(
            "first_byte",
            "From a viewer's claim to the first bytes of the screen",
            Unit::Seconds,
            self.first_byte.clone(),
        );
        registry.register(
            "failed_authentications",
            "Failed authentications at any front door",
            self.failed_authentications.clone(),
        );
        registry.register("connections", "Accepted connections", self.connections.clone());
        registry.register(
            "connections_shed",
            "Connections refused, or closed in favor of a new one",
            self.connections_shed.clone(),
        );
        registry.register("nodes", "Nodes on this database, by state", self.nodes.clone());
        registry.register(
            "fenced",
            "Times that this node ended all its sessions because it had lost contact with the database",
            self.fenced.clone(),
        );
        registry.register(
            "bodies_shed",
            "Requests of unauthenticated callers that were refused because there was no room for their bodies",
            self.bodies_shed.clone(),
        );
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }
}
