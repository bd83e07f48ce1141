//! Configuration: one struct per subsystem, all with defaults. A typo is an error with the path to the key.

mod check;
mod openstack;
mod web;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use transom_model::cloud::access::CrossKey;
use transom_model::endpoint::EndpointPolicy;
use transom_model::grant::Dialect;

pub use openstack::{CloudAdmin, NovncForm, Openstack, Vencrypt};
pub use web::public_url;

/// What the configuration file may say. Flags of `transom serve` win over it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The listener.
    pub http: Http,
    /// Consoles in the browser.
    pub console: Console,
    /// Lifetime and uses of grants, by dialect.
    pub grants: Grants,
    /// The Zenlayer front door.
    pub zenlayer: Zenlayer,
    /// The OpenStack and Rackspace front door.
    pub openstack: Openstack,
    /// The VNC Cloud API and its devices.
    pub cloud: Cloud,
    /// Devices and viewers that speak the UltraVNC repeater's protocol.
    pub repeater: Repeater,
    /// Where instances may be.
    pub endpoints: EndpointPolicy,
    /// Sessions between agents and connectors.
    pub relay: RelayConfig,
    /// Budgets.
    pub limits: Limits,
    /// How long finished things are kept.
    pub retention: Retention,
}

/// The listener.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// What console URLs begin with, such as `https://console.example.com`.
    #[serde(deserialize_with = "web::origin")]
    pub public_url: Option<url::Url>,
    /// Networks of TLS-ending proxies in front: plain HTTP is served there, and their `X-Forwarded-*` is believed.
    #[serde(deserialize_with = "web::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The certificate chain and key, PEM files; read again when they change.
    pub tls: Option<TlsFiles>,
}

impl Http {
    /// Whether this peer is a proxy that the operator declared.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&peer.to_canonical()))
    }
}

/// The certificate chain and key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// PEM certificate chain, the leaf first.
    pub cert: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// Consoles in the browser.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// Origins besides our own whose pages may open consoles, such as `https://portal.example.com`.
    #[serde(deserialize_with = "web::origins")]
    pub allowed_origins: BTreeSet<String>,
    /// Origins whose pages may show the console page in a frame; none by default.
    pub frame_ancestors: Vec<String>,
    /// How long a page may stay away and come back with its ticket.
    pub resume: HumanDuration,
    /// How long a VNC server that has greeted may let somebody in front of it decide.
    pub accept_wait: HumanDuration,
    /// How long a session may last.
    pub max_session: Limit,
    /// How long a session may see neither input nor pixels.
    pub idle: Limit,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            allowed_origins: BTreeSet::new(),
            frame_ancestors: Vec::new(),
            resume: HumanDuration(Duration::from_secs(5 * 60)),
            accept_wait: HumanDuration(Duration::from_secs(60)),
            max_session: Limit(Some(Duration::from_secs(12 * 3600))),
            idle: Limit(None),
        }
    }
}

/// The Zenlayer front door.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Zenlayer {
    /// Takes each signature once, at all nodes together. The vendor takes one as often as it comes within five minutes, and a
    /// program that asks the same twice within a second signs the same twice.
    pub reject_replays: bool,
}

/// Lifetime and uses of grants, by dialect.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Our own API.
    pub native: GrantPolicy,
    /// Zenlayer: its callers reload.
    pub zenlayer: GrantPolicy,
    /// OpenStack and Rackspace: their callers reload.
    pub openstack: GrantPolicy,
}

impl Default for Grants {
    fn default() -> Self {
        let vendor = GrantPolicy { ttl: HumanDuration(Duration::from_secs(600)), uses: 0 };
        Self { native: GrantPolicy::default(), zenlayer: vendor, openstack: vendor }
    }
}

impl Grants {
    /// The policy of a dialect.
    #[must_use]
    pub fn of(&self, dialect: Dialect) -> GrantPolicy {
        match dialect {
            Dialect::Native | Dialect::VncCloud => self.native,
            Dialect::Zenlayer => self.zenlayer,
            Dialect::Openstack => self.openstack,
        }
    }
}

/// How long a console URL opens, and how often.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrantPolicy {
    /// Time to connect.
    pub ttl: HumanDuration,
    /// How often the URL opens; 0: as often as wanted until it expires.
    pub uses: u32,
}

impl Default for GrantPolicy {
    fn default() -> Self {
        Self { ttl: HumanDuration(Duration::from_secs(60)), uses: 1 }
    }
}

/// The VNC Cloud API and its devices.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cloud {
    /// Also version 1.0 lists addresses, which the vendor's does not.
    pub list_in_1_0: bool,
    /// A listen address that names a connect address of another access key lets it in.
    pub allow_cross_key_individuals: bool,
}

/// Devices and viewers that speak the UltraVNC repeater's protocol; off unless an address is given.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Repeater {
    /// Where devices join by a ticket, such as `0.0.0.0:5500`.
    pub devices: Option<SocketAddr>,
    /// Where viewers open a device by a one-time ID, such as `0.0.0.0:5901`.
    pub viewers: Option<SocketAddr>,
    /// Connections at once from one source, waiting devices included.
    pub per_source: usize,
    /// The same over all sources.
    pub in_all: usize,
    /// Wrong numbers per minute and source, of devices and of viewers each; loopback is exempt.
    pub misses: u32,
    /// The same of all sources together, loopback among them: what is a number cannot be guessed faster than this, from however many addresses.
    pub misses_in_all: u32,
}

impl Default for Repeater {
    fn default() -> Self {
        Self { devices: None, viewers: None, per_source: 64, in_all: 4096, misses: 10, misses_in_all: 300 }
    }
}

impl Cloud {
    pub(crate) fn cross_key(self) -> CrossKey {
        if self.allow_cross_key_individuals { CrossKey::AllowIndividuals } else { CrossKey::Deny }
    }
}

/// Sessions between agents and connectors.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayConfig {
    /// Where raw data connections are taken, besides the upgrades on the one port; none by default.
    pub listen: Option<SocketAddr>,
    /// `HOST:PORT` of that listener as agents and connectors are told; the public URL's host and the listener's port, where it
    /// is not said.
    pub public_address: Option<String>,
    /// How many data connections an agent keeps ready for a next session once it has had one.
    pub warm: usize,
    /// How long a session may last.
    pub max_session: Limit,
    /// How long a session may carry nothing.
    pub idle: Limit,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self { listen: None, public_address: None, warm: 1, max_session: Limit(None), idle: Limit(None) }
    }
}

/// Budgets.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Failed authentications per second and source address; loopback is exempt.
    pub failed_authentications: u32,
    /// Tokens per minute and source address that are neither ours nor known to the existing cloud; loopback is exempt.
    pub foreign_misses: u32,
    /// Connections from one source address that have not yet sent a request, or, of devices, not yet proved who they are.
    pub half_open_per_source: usize,
    /// The same over all sources.
    pub half_open: usize,
    /// Bytes of requests that are kept for one source whose callers have proved nothing yet.
    pub unproved_bytes_per_source: usize,
    /// The same over all sources.
    pub unproved_bytes: usize,
    /// HTTP connections from one source address; one that became a WebSocket does not count.
    pub http_per_source: usize,
    /// The same over all sources.
    pub http: usize,
    /// Sessions at once under one grant.
    pub sessions_per_grant: usize,
    /// Sessions at once under the grants of one access key.
    pub sessions_per_key: usize,
    /// Sessions at once on this node.
    pub sessions: usize,
    /// Connectors that have joined at once under one address, and sessions with devices that these have at once.
    pub device_sessions_per_address: usize,
    /// How long sessions may take to end by themselves after SIGTERM.
    pub drain: HumanDuration,
    /// The limits of a node's life. Not for the file: every node on a database must go by the same.
    #[serde(skip)]
    pub node: NodeLimits,
}

/// The limits of a node's life.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    /// The pause between two beats.
    pub beat: Duration,
    /// The time after its last beat when it ends what it carries: well before the others call it gone, however long a beat or a look
    /// of theirs took.
    pub fence: Duration,
    /// The time for which the others must have seen the same beat.
    pub gone: Duration,
    /// The longest pause between two of their looks.
    pub gap: Duration,
    /// The pause between two comparisons of what it carries with what the database has of it. After a missed beat there is
    /// none.
    pub compare: Duration,
    /// The most revocations of one project that it keeps for a database which does not take them.
    pub owed_per_project: usize,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(5),
            fence: Duration::from_secs(45),
            gone: Duration::from_secs(60),
            gap: Duration::from_secs(10),
            compare: Duration::from_secs(30),
            owed_per_project: 1000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            failed_authentications: 200,
            foreign_misses: 30,
            half_open_per_source: 256,
            half_open: 4096,
            unproved_bytes_per_source: 4 * 1024 * 1024,
            unproved_bytes: 32 * 1024 * 1024,
            http_per_source: 512,
            http: 8192,
            sessions_per_grant: 16,
            sessions_per_key: 4096,
            sessions: 20_000,
            device_sessions_per_address: 256,
            drain: HumanDuration(Duration::from_secs(10)),
            node: NodeLimits::default(),
        }
    }
}

/// How long finished things are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Expired and revoked grants with their sessions.
    pub grants: HumanDuration,
    /// Audit records.
    pub audit: HumanDuration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 24 * 3600;
        Self {
            grants: HumanDuration(Duration::from_secs(30 * DAY)),
            audit: HumanDuration(Duration::from_secs(365 * DAY)),
        }
    }
}

/// A duration as people write it: `60s`, `10m`, `1h 30m`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl FromStr for HumanDuration {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a duration such as 60s, 10m, 12h or 30d");
        let span: jiff::Span = text.parse().map_err(|_| wrong())?;
        // A day is 24 hours here; months and years have no fixed length and are refused.
        let marker = jiff::SpanRelativeTo::days_are_24_hours();
        let seconds = span.total((jiff::Unit::Second, marker)).map_err(|_| wrong())?;
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| wrong())
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A duration, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse::<HumanDuration>().map(|duration| Self(Some(duration.0))).map_err(serde::de::Error::custom)
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}", path = .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not say what a configuration says.
    #[error("{path}: {message}", path = .path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
}

impl Config {
    /// Reads a TOML file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|message| ConfigError::Parse { path: path.to_owned(), message })
    }

    /// Reads TOML text; an error names the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document = toml::Deserializer::parse(text).map_err(|error| error.to_string())?;
        let config: Self = serde_path_to_error::deserialize(document).map_err(|error| {
            let key = error.path().to_string();
            let cause = plainly(error.into_inner().message());
            if key == "." { cause } else { format!("{key}: {cause}") }
        })?;
        config.check()?;
        Ok(config)
    }
}

/// The parser's words for a number, in those of people.
fn plainly(cause: &str) -> String {
    let number = "expected a whole number that is not negative";
    ["expected u32", "expected usize"]
        .iter()
        .fold(cause.to_owned(), |cause, theirs| cause.replace(theirs, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_say_only_what_it_wants_to_change() {
        let config = Config::parse(
            "[console]\nidle = \"30m\"\nmax_session = \"off\"\n[grants.zenlayer]\nuses = 1\n\
             [endpoints]\nallow = [\"10.0.0.0/8:5900-5999\"]\n[http]\npublic_url = \"https://c.example\"",
        )
        .expect("configuration");
        assert_eq!(config.console.idle, Limit(Some(Duration::from_secs(1800))));
        assert_eq!(config.console.max_session, Limit(None));
        assert_eq!(config.grants.zenlayer.uses, 1);
        assert_eq!(config.grants.of(Dialect::Openstack).ttl.0, Duration::from_secs(600));
    }

    #[test]
    fn every_example_of_the_manual_is_a_configuration() {
        let manual = include_str!("../../../docs/OPERATIONS.md");
        let examples = manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
        for example in examples {
            assert_eq!(Config::parse(example).err(), None, "{example}");
            // What is commented out is one, too.
            let whole: Vec<_> = example.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
            assert_eq!(Config::parse(&whole.join("\n")).err(), None, "{example}");
        }
    }

    #[test]
    fn a_typo_is_an_error_that_names_the_key() {
        let error = Config::parse("[console]\nidel = \"30m\"").expect_err("a typo");
        assert!(error.starts_with("console.idel: unknown field `idel`"), "{error}");
        let error = Config::parse("[console]\nresume = \"soon\"").expect_err("no duration");
        assert_eq!(error, "console.resume: \"soon\" is not a duration such as 60s, 10m, 12h or 30d");
    }
}
