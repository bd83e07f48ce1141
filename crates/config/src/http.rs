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
