//! Endpoints of VNC servers, and the policy on the endpoints that a project's own key may set.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::cloud::CloudAddress;

/// The location of an instance's VNC server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `vnc://host:port`
    Tcp {
        /// A DNS name or an address, without brackets.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// `vnc+unix:/path`
    Unix {
        /// An absolute path.
        path: String,
    },
    /// `ws://host:port/path` or `wss://host:port/path`: RFB in WebSocket messages.
    WebSocket {
        /// True if TLS runs below the WebSocket.
        is_secure: bool,
        /// A DNS name or an address, without brackets.
        host: String,
        /// The TCP port.
        port: u16,
        /// The request target: an absolute path with an optional query.
        path: String,
    },
    /// `cloud:ADDRESS`
    Cloud {
        /// The device's listen address.
        address: CloudAddress,
    },
}

/// The port of VNC display `:0`.
const DEFAULT_PORT: u16 = 5900;
/// `sun_path` holds 108 bytes with its final NUL (`unix(7)`).
const MAX_UNIX_PATH: usize = 107;
/// The longest request target of a WebSocket endpoint.
const MAX_TARGET: usize = 2048;

/// The reason why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseEndpointError {
    /// The scheme is unknown.
    #[error(
        "an endpoint is vnc://host:port, ws://host:port/path, wss://host:port/path, vnc+unix:/path or cloud:ADDRESS"
    )]
    Scheme,
    /// The host is empty, or contains a character that is not allowed in a name or an address.
    #[error("the endpoint's host is not a DNS name or an address")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the endpoint's port must be a number from 1 to 65535")]
    Port,
    /// The path is not absolute, is too long, or contains `..`.
    #[error("the endpoint's path must be absolute, without .., and at most {MAX_UNIX_PATH} bytes")]
    Path,
    /// The request target contains a character that does not belong in one, or is too long.
    #[error("the endpoint's path must be visible ASCII without # and at most {MAX_TARGET} bytes")]
    Target,
    /// The text after `cloud:` is not a cloud address.
    #[error("cloud: must be followed by a cloud address, four parts of 16 to 24 letters and digits")]
    Address,
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;
    fn from_str(text: &str) -> Result<Self, ParseEndpointError> {
        if let Some(path) = text.strip_prefix("vnc+unix:") {
            // `vnc+unix:///path` is a common spelling.
            let path = path.strip_prefix("//").unwrap_or(path);
            let climbs = path.split('/').any(|part| part == "..");
            if !path.starts_with('/') || path.len() > MAX_UNIX_PATH || path.contains('\0') || climbs {
                return Err(ParseEndpointError::Path);
            }
            return Ok(Self::Unix { path: path.to_owned() });
        }
        if let Some(address) = text.strip_prefix("cloud:") {
            let address = address.parse().map_err(|_| ParseEndpointError::Address)?;
            return Ok(Self::Cloud { address });
        }
        for (scheme, is_secure) in [("ws://", false), ("wss://", true)] {
            if let Some(rest) = text.strip_prefix(scheme) {
                return web_socket(rest, is_secure);
            }
        }
        let authority = text.strip_prefix("vnc://").ok_or(ParseEndpointError::Scheme)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = split_port(authority, DEFAULT_PORT)?;
        Ok(Self::Tcp { host: parse_host(host)?, port })
    }
}

impl Endpoint {
    /// Returns the host and the port of an endpoint that is reached over TCP.
    #[must_use]
    pub fn authority(&self) -> Option<(&str, u16)> {
        match self {
            Self::Tcp { host, port } | Self::WebSocket { host, port, .. } => Some((host, *port)),
            Self::Unix { .. } | Self::Cloud { .. } => None,
        }
    }
}

/// Parses the rest of `ws://` or `wss://`.
fn web_socket(rest: &str, is_secure: bool) -> Result<Endpoint, ParseEndpointError> {
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = split_port(authority, if is_secure { 443 } else { 80 })?;
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if target.len() >= MAX_TARGET || !target.bytes().all(is_allowed) {
        return Err(ParseEndpointError::Target);
    }
    let slash = if target.starts_with('/') { "" } else { "/" };
    Ok(Endpoint::WebSocket { is_secure, host: parse_host(host)?, port, path: format!("{slash}{target}") })
}

fn split_port(authority: &str, default: u16) -> Result<(&str, u16), ParseEndpointError> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let Some(port) = port else { return Ok((host, default)) };
    // Rust's number parser also accepts a plus sign.
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits && port != 0 => Ok((host, port)),
        _ => Err(ParseEndpointError::Port),
    }
}

fn parse_host(host: &str) -> Result<String, ParseEndpointError> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| ParseEndpointError::Host)?;
        return Ok(address.to_string());
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !(1..=253).contains(&host.len()) || !host.bytes().all(allowed) {
        return Err(ParseEndpointError::Host);
    }
    Ok(host.to_ascii_lowercase())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "vnc://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "vnc://{host}:{port}"),
            Self::WebSocket { is_secure, host, port, path } => {
                let scheme = if *is_secure { "wss" } else { "ws" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}{path}")
            }
            Self::Unix { path } => write!(f, "vnc+unix:{path}"),
            Self::Cloud { address } => write!(f, "cloud:{address}"),
        }
    }
}

impl serde::Serialize for Endpoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Endpoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The endpoints that a project's own key may set. The operator may set any but link-local ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointPolicy {
    /// Networks with ports, such as `10.0.0.0/8:5900-5999` or `192.168.1.7/32`.
    pub allow: Vec<AllowedNetwork>,
    /// Folders with permitted unix sockets, such as `/run/vnc/`.
    pub allow_unix: Vec<String>,
}

/// A network and its permitted ports: `10.0.0.0/8:5900-5999`, `[fd00::]/8:5900`, `10.1.2.3` (any
/// port).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedNetwork {
    net: IpNet,
    ports: std::ops::RangeInclusive<u16>,
}

impl FromStr for AllowedNetwork {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network such as 10.0.0.0/8:5900-5999 or [fd00::]/8:5900");
        let plain = text.replace(['[', ']'], "");
        // An IPv6 network contains colons, so its port follows the prefix length.
        let (net, ports) = match (plain.split_once('/'), plain.matches(':').count()) {
            (Some((address, rest)), _) => match rest.split_once(':') {
                Some((prefix, ports)) => (format!("{address}/{prefix}"), Some(ports.to_owned())),
                None => (plain.clone(), None),
            },
            (None, 1) => {
                let (address, ports) = plain.split_once(':').ok_or_else(wrong)?;
                (address.to_owned(), Some(ports.to_owned()))
            }
            (None, _) => (plain.clone(), None),
        };
        let net =
            net.parse::<IpNet>().or_else(|_| net.parse::<IpAddr>().map(IpNet::from)).map_err(|_| wrong())?;
        let ports = match ports {
            None => 1..=u16::MAX,
            Some(ports) => {
                let (first, last) = ports.split_once('-').unwrap_or((&ports, &ports));
                first.parse().map_err(|_| wrong())?..=last.parse().map_err(|_| wrong())?
            }
        };
        if ports.is_empty() {
            return Err(wrong());
        }
        Ok(Self { net, ports })
    }
}

impl<'de> serde::Deserialize<'de> for AllowedNetwork {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl EndpointPolicy {
    /// Returns whether a project's own key may point an instance at this address.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        !is_refused_always(address)
            && self.allow.iter().any(|entry| entry.net.contains(&address) && entry.ports.contains(&port))
    }

    /// Returns whether a project's own key may point an instance at this unix socket.
    #[must_use]
    pub fn allows_unix(&self, path: &str) -> bool {
        self.allow_unix.iter().any(|prefix| {
            let folder = prefix.trim_end_matches('/');
            path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

/// Returns whether the address is always refused: link-local (which includes cloud metadata
/// services), unspecified or multicast.
#[must_use]
pub fn is_refused_always(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address == Ipv4Addr::BROADCAST
        }
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || address.is_unspecified() || address.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_parse_and_print() {
        for (text, printed) in [
            ("vnc://h1.example:5901", "vnc://h1.example:5901"),
            ("vnc://H1", "vnc://h1:5900"),
            ("vnc://[::1]:5902/", "vnc://[::1]:5902"),
            ("ws://H1/a?token=x&b=/", "ws://h1:80/a?token=x&b=/"),
            ("wss://[::1]", "wss://[::1]:443/"),
            ("ws://h1:5700?x", "ws://h1:5700/?x"),
            ("vnc+unix:/run/vnc.sock", "vnc+unix:/run/vnc.sock"),
            ("vnc+unix:///run/vnc.sock", "vnc+unix:/run/vnc.sock"),
        ] {
            assert_eq!(text.parse::<Endpoint>().map(|e| e.to_string()), Ok(printed.to_owned()));
        }
        for bad in [
            "",
            "http://x",
            "vnc://",
            "vnc://a:0",
            "vnc://a:+1",
            "vnc://a:70000",
            "vnc://a b",
            "vnc://u@h:1",
            "vnc://h/x",
            "ws://",
            "ws://u:p@h/",
            "wss://h:0/",
            "ws://h/a b",
            "ws://h/a#b",
            "ws://h/é",
            "ws://h/\r\nX: y",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
        for bad in ["vnc+unix:run", "vnc+unix:/a/../b", &format!("vnc+unix:/{}", "x".repeat(107))] {
            assert_eq!(bad.parse::<Endpoint>(), Err(ParseEndpointError::Path), "{bad}");
        }
    }

    #[test]
    fn the_allow_list_is_empty_by_default_and_never_admits_link_local() {
        let address = |text: &str| text.parse::<IpAddr>().expect("address");
        assert!(!EndpointPolicy::default().allows_address(address("10.1.2.3"), 5900));
        let policy = EndpointPolicy {
            allow: ["10.0.0.0/8:5900-5999", "[fd00::]/8:5900", "0.0.0.0/0:6000", "192.168.1.7"]
                .map(|text| text.parse().expect("network"))
                .into(),
            allow_unix: vec!["/run/vnc/".into()],
        };
        for (host, port, expected) in [
            ("10.1.2.3", 5900, true),
            ("::ffff:10.1.2.3", 5900, true),
            ("10.1.2.3", 6001, false),
            ("fd00::1", 5900, true),
            ("fd00::1", 5901, false),
            ("192.168.1.7", 1, true),
            ("192.168.1.8", 1, false),
            ("169.254.169.254", 6000, false),
            ("::ffff:169.254.169.254", 6000, false),
        ] {
            assert_eq!(policy.allows_address(address(host), port), expected, "{host}:{port}");
        }
        assert!(policy.allows_unix("/run/vnc/a.sock"));
        assert!(!policy.allows_unix("/run/vnc2/a.sock"));
    }
}
