//! Where a request comes from: the peer itself, or what a declared proxy says of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use crate::config::Http;

/// The connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The other end.
    pub peer: SocketAddr,
    /// Whether TLS ends here.
    pub tls: bool,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address of who asks.
    pub address: IpAddr,
    /// Whether it asked over TLS.
    pub https: bool,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Source {
    /// Reads it off the connection; `X-Forwarded-*` is believed only from a proxy that was declared.
    #[must_use]
    pub fn read(connection: Connection, headers: &HeaderMap, config: &Http) -> Self {
        let peer = connection.peer.ip().to_canonical();
        if !config.trusts(peer) {
            return Self { address: peer, https: connection.tls };
        }
        let entries = headers.get_all(FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok());
        let chain: Vec<IpAddr> = entries
            .flat_map(|value| value.split(','))
            .filter_map(|entry| entry.trim().parse().ok())
            .collect();
        // The right-most address that is not a proxy of ours is the last one that somebody we trust has seen.
        let address = chain.into_iter().rev().find(|address| !config.trusts(*address)).unwrap_or(peer);
        let proto = headers.get(FORWARDED_PROTO).and_then(|value| value.to_str().ok());
        Self {
            address: address.to_canonical(),
            https: proto.map_or(connection.tls, |proto| proto == "https"),
        }
    }
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
        let connection = Connection { peer: "10.0.0.1:5".parse().expect("address"), tls: false };
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
}
