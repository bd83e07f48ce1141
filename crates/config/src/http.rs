//! `[http]`: the listener.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use crate::web;

/// The listener.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// The origin of console URLs, such as `https://console.example.com`.
    #[serde(deserialize_with = "web::origin")]
    pub public_url: Option<url::Url>,
    /// The networks of the proxies that terminate TLS before the server. Their requests arrive over
    /// plain HTTP, and their `X-Forwarded-*` headers are trusted.
    #[serde(deserialize_with = "web::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The certificate chain and key, as PEM files. The server reads them again when they change.
    pub tls: Option<TlsFiles>,
}

impl Http {
    /// Returns whether this peer is a proxy that the operator declared.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&peer.to_canonical()))
    }
}

/// The certificate chain and key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The PEM certificate chain, the leaf first.
    pub cert: PathBuf,
    /// The PEM private key.
    pub key: PathBuf,
}
