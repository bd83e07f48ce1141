//! The server: where it is, and how its certificate is verified.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use url::{Host, Url};

use crate::SetupError;

/// A Transom server.
#[derive(Clone)]
pub struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Server {
    /// The server of this URL, `https://…`. Its certificate must chain to `ca`, or else to what this machine trusts.
    ///
    /// Plain `http://` is for this machine itself: elsewhere it needs `insecure`, since whoever is in between could pass
    /// the password's proof on, and take the address's place.
    pub fn new(url: &str, ca: Option<&Path>, insecure: bool) -> Result<Self, SetupError> {
        let wrong = |why: &str| SetupError::new(format_args!("--server {url}: {why}"));
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        let host = parsed.host().ok_or_else(|| wrong("it names no machine"))?;
        let local = match &host {
            Host::Domain(name) => *name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let tls = match parsed.scheme() {
            "https" => Some(Arc::new(client_config(ca)?)),
            "http" if local || insecure => None,
            "http" => {
                return Err(wrong("http:// is for this machine itself; use https://, or say --insecure"));
            }
            _ => return Err(wrong("it must begin with https://")),
        };
        let port = parsed.port_or_known_default().ok_or_else(|| wrong("it names no port"))?;
        let host = match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { host, port, tls })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({} {})", self.host, self.port)
    }
}

/// TLS 1.3 only: older versions cannot bind the proof to the connection.
fn client_config(ca: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(SetupError::new)?;
    let Some(ca) = ca else {
        return Ok(builder.with_platform_verifier().map_err(SetupError::new)?.with_no_client_auth());
    };
    let unreadable = |error: &dyn fmt::Display| SetupError::new(format_args!("{}: {error}", ca.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| unreadable(&error))? {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() {
        return Err(unreadable(&"there is no certificate in it"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_itself() {
        for good in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080"] {
            assert!(Server::new(good, None, false).is_ok(), "{good}");
        }
        let refused = Server::new("http://console.example.com", None, false).expect_err("off loopback");
        assert_eq!(
            refused.to_string(),
            "--server http://console.example.com: http:// is for this machine itself; use https://, or say --insecure"
        );
        assert!(Server::new("http://console.example.com", None, true).is_ok());
        assert!(Server::new("ftp://console.example.com", None, true).is_err());
        assert!(Server::new("console.example.com", None, true).is_err());
    }
}
