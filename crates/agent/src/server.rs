//! The server: its URL, and the verification of its certificate.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig};
use rustls_platform_verifier::BuilderVerifierExt as _;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use transom_tunnel::Refusal;
use transom_tunnel::trust::NamedCertificates;
use url::{Host, Url};

use crate::error::{SetupError, unreachable};
use crate::proxy::Proxy;
use crate::unreached_relay::UnreachedRelay;

/// The idle time before TCP keepalive. Heartbeats notice a vanished server on control connections;
/// this is for data connections, which a NAT may have forgotten.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(20);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVE_TRIES: u32 = 4;
/// The time after which unacknowledged bytes end a connection. Otherwise TCP tries for a quarter of
/// an hour. The gateway gives up an idle viewer a little earlier, with a better reason.
const UNTAKEN: Duration = Duration::from_secs(70);

const NO_CA: &str =
    "If the server uses a self-signed certificate (--self-signed), pass a copy of its ca.pem: --ca ca.pem.";
const OTHER_CA: &str = "Its certificate was not issued by the CA in --ca. Copy the server's ca.pem again, or omit --ca if \
                        a public CA issued the certificate.";

/// A Transom server.
#[derive(Clone)]
pub struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) proxy: Option<Proxy>,
    /// True if the user named a CA for the server.
    own_ca: bool,
    pub(crate) unreached: UnreachedRelay,
}

impl Server {
    /// Reads a server's URL, `https://…`. The server's certificate must chain to `ca`, or be in it.
    /// If `ca` is `None`, it must chain to a CA that this machine trusts.
    ///
    /// Plain `http://` is for a server on this machine. Any other server requires `insecure`, since
    /// a machine in between could pass the password's proof on, and take the address's place.
    pub fn new(url: &str, ca: Option<&Path>, insecure: bool) -> Result<Self, SetupError> {
        let wrong = |why: &str| SetupError::new(format_args!("--server {url}: {why}"));
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        let host = parsed.host().ok_or_else(|| wrong("it has no host"))?;
        let local = match &host {
            Host::Domain(name) => *name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let tls = match parsed.scheme() {
            "https" => Some(Arc::new(client_config(ca)?)),
            "http" if local || insecure => None,
            "http" => {
                return Err(wrong(
                    "http:// is only for a server on this machine; use https:// or --insecure",
                ));
            }
            _ => return Err(wrong("it must begin with https://")),
        };
        let port = parsed.port_or_known_default().ok_or_else(|| wrong("it has no port"))?;
        let host = match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { host, port, tls, proxy: None, own_ca: ca.is_some(), unreached: UnreachedRelay::default() })
    }
}

impl Server {
    /// The server, reached through this proxy.
    #[must_use]
    pub fn through(self, proxy: Proxy) -> Self {
        Self { proxy: Some(proxy), ..self }
    }

    /// The server, reached through the proxy that the environment names, in the way `curl` reads
    /// it: `HTTPS_PROXY` for an `https://` server, otherwise `ALL_PROXY`, unless `NO_PROXY` exempts
    /// it. Variables in small letters come first. This machine itself is always reached directly.
    pub fn through_environment(self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, SetupError> {
        let local =
            self.host == "localhost" || self.host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
        if local {
            return Ok(self);
        }
        let proxy = Proxy::from_environment(&self.host, self.tls.is_some(), variable)?;
        Ok(Self { proxy, ..self })
    }

    /// Adds advice, if this machine does not trust the server's certificate.
    pub(crate) fn advise(&self, refusal: Refusal) -> Refusal {
        // At this point, only the words of the error are left.
        let unknown = rustls::Error::from(CertificateError::UnknownIssuer).to_string();
        if refusal.detail.as_ref() != Some(&unknown) {
            return refusal;
        }
        refusal.advising(if self.own_ca { OTHER_CA } else { NO_CA })
    }

    /// Connects, with the options of [`prepare`].
    pub(crate) async fn connect(&self) -> Result<TcpStream, Refusal> {
        let tcp = match &self.proxy {
            Some(proxy) => proxy.connect(&self.host, self.port).await?,
            None => TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?,
        };
        prepare(&tcp);
        Ok(tcp)
    }
}

/// Sends small packets at once, and notices a peer that has vanished.
pub(crate) fn prepare(tcp: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_TRIES);
    // No option can fail on a connected socket. If the socket is gone, the first read fails.
    let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(UNTAKEN));
    let _ = tcp.set_nodelay(true);
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({} {})", self.host, self.port)
    }
}

/// The TLS configuration. It offers TLS 1.3 only, since older versions cannot bind the proof to the
/// connection.
fn client_config(ca: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(SetupError::new)?;
    let Some(ca) = ca else {
        return Ok(builder.with_platform_verifier().map_err(SetupError::passing)?.with_no_client_auth());
    };
    let unreadable = |error: &dyn fmt::Display| SetupError::new(format_args!("{}: {error}", ca.display()));
    let unopened = |error: pem::Error| match error {
        pem::Error::Io(io) if transom_folder::is_transient(&io) => {
            SetupError::passing(format_args!("{}: {io}", ca.display()))
        }
        error => unreadable(&error),
    };
    let certificates = CertificateDer::pem_file_iter(ca).map_err(unopened)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
    if certificates.is_empty() {
        return Err(unreadable(&"the file has no certificate"));
    }
    let named = NamedCertificates::new(certificates).map_err(|error| unreadable(&error))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(named)).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_only_for_this_machine_itself() {
        for good in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080"] {
            assert!(Server::new(good, None, false).is_ok(), "{good}");
        }
        let refused = Server::new("http://console.example.com", None, false).expect_err("off loopback");
        assert_eq!(
            refused.to_string(),
            "--server http://console.example.com: http:// is only for a server on this machine; use https:// or --insecure"
        );
        assert!(Server::new("http://console.example.com", None, true).is_ok());
        assert!(Server::new("ftp://console.example.com", None, true).is_err());
        assert!(Server::new("console.example.com", None, true).is_err());
    }
}
