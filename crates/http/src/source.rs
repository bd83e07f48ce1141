//! The source of a request: the peer, or the address that a declared proxy reports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::FromRequestParts;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use transom_model::audit::{Origin, UserAgent};
use transom_model::console_kind::ConsoleKind;
use transom_model::id::RequestId;

use transom_app::consoles::visitor::Visitor;
use transom_config::Http;

/// The connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The address of the peer.
    pub peer: SocketAddr,
    /// True if TLS ends here.
    pub tls: bool,
    /// The exporter that identifies the TLS connection at both ends (RFC 9266); `None` before TLS
    /// 1.3.
    pub exporter: Option<[u8; 32]>,
}

/// The source of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address of the caller.
    pub address: IpAddr,
    /// True if the caller used TLS.
    pub https: bool,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Source {
    /// Reads the source from the connection. `X-Forwarded-*` counts only if the peer is a declared
    /// proxy.
    #[must_use]
    pub fn read(connection: Connection, headers: &HeaderMap, config: &Http) -> Self {
        let peer = connection.peer.ip().to_canonical();
        if !config.trusts(peer) {
            return Self { address: peer, https: connection.tls };
        }
        let address = last_hop(peer, headers, config);
        let proto = headers.get(FORWARDED_PROTO).and_then(|value| value.to_str().ok());
        Self { address, https: proto.map_or(connection.tls, is_tls) }
    }

    /// The origin for the audit, with the program that the request names.
    #[must_use]
    pub fn origin(self, headers: &HeaderMap) -> Origin {
        Origin { user_agent: user_agent(headers), ..Origin::of(self.address) }
    }

    /// The visitor that presents a token or a ticket in a request.
    #[must_use]
    pub fn visitor(self, headers: &HeaderMap, kind: ConsoleKind, request: RequestId) -> Visitor {
        Visitor { address: self.address, user_agent: user_agent(headers), kind, request }
    }
}

fn user_agent(headers: &HeaderMap) -> Option<UserAgent> {
    headers.get(USER_AGENT).and_then(|value| UserAgent::read(value.as_bytes()))
}

/// Tells whether a proxy reports that the request came over TLS. Each proxy in a chain appends the
/// scheme it was asked with, so the first one is the browser's. Some proxies name a WebSocket's
/// scheme.
fn is_tls(forwarded: &str) -> bool {
    let first = forwarded.split(',').next().unwrap_or_default().trim();
    ["https", "wss"].iter().any(|scheme| first.eq_ignore_ascii_case(scheme))
}

/// The last address that a trusted hop has seen. From right to left, each trusted hop names the one
/// in front of it. An entry that cannot be parsed ends the chain, since anything left of it may be
/// forged.
fn last_hop(peer: IpAddr, headers: &HeaderMap, config: &Http) -> IpAddr {
    let mut last = peer;
    let values: Vec<_> = headers.get_all(FORWARDED_FOR).into_iter().collect();
    for value in values.into_iter().rev() {
        for entry in value.to_str().unwrap_or_default().rsplit(',') {
            let Some(hop) = hop(entry.trim()) else { return last };
            last = hop;
            if !config.trusts(hop) {
                return last;
            }
        }
    }
    last
}

/// Parses an address as proxies write it: `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::1`,
/// `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn hop(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().or_else(|_| entry.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

impl<S: Sync> FromRequestParts<S> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let nobody = Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), https: false };
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(nobody))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_declared_proxy_is_believed() {
        let connection =
            Connection { peer: "10.0.0.1:5".parse().expect("address"), tls: false, exporter: None };
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, "6.6.6.6, 192.0.2.7, 10.0.0.2".parse().expect("value"));
        headers.insert(FORWARDED_PROTO, "https".parse().expect("value"));
        let mut config = Http::default();
        let source = Source::read(connection, &headers, &config);
        assert_eq!(source, Source { address: "10.0.0.1".parse().expect("address"), https: false });
        config.trusted_proxies = vec!["10.0.0.0/8".parse().expect("network")];
        let source = Source::read(connection, &headers, &config);
        assert_eq!(source, Source { address: "192.0.2.7".parse().expect("address"), https: true });
    }

    #[test]
    fn the_browsers_scheme_is_the_first_of_the_list() {
        for (forwarded, expected) in [
            ("https", true),
            ("HTTPS", true),
            ("wss", true),
            ("https, http", true),
            (" Https,http", true),
            ("http, https", false),
            ("ws", false),
            ("", false),
            ("httpsx", false),
        ] {
            assert_eq!(is_tls(forwarded), expected, "{forwarded:?}");
        }
    }

    #[test]
    fn nothing_left_of_an_entry_that_cannot_be_read_is_believed() {
        let trusted_proxies = vec!["10.0.0.0/8".parse().expect("network")];
        let config = Http { trusted_proxies, ..Http::default() };
        let peer = "10.0.0.1".parse().expect("address");
        for (forwarded, expected) in [
            ("6.6.6.6, 203.0.113.9:4711", "203.0.113.9"),
            ("6.6.6.6, [2001:db8::1]:4711", "2001:db8::1"),
            ("6.6.6.6, [2001:db8::1], 10.0.0.2:80", "2001:db8::1"),
            ("6.6.6.6, ::ffff:192.0.2.7", "192.0.2.7"),
            ("6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
            ("6.6.6.6, _hidden", "10.0.0.1"),
            ("6.6.6.6,", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, forwarded.parse().expect("value"));
            assert_eq!(last_hop(peer, &headers, &config).to_string(), expected, "{forwarded}");
        }
    }
}
