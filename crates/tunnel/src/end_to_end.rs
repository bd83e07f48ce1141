//! TLS 1.3 between connector and agent, with raw public keys on both sides (RFC 7250) and no
//! certificates.
//!
//! The handshake accepts any key and proves that the peer holds it. Before the first byte of the
//! session, both ends compare [`peer_key`] with the key they expect.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

use crate::public_key::{NotAKey, PublicKey};

/// The name of the inner protocol (ALPN, RFC 7301), so that another protocol cannot be mistaken for
/// it.
const ALPN: &[u8] = b"transom/1";

/// Builds the connector's TLS configuration.
pub(crate) fn dialling(key: Arc<CertifiedKey>) -> Result<Arc<ClientConfig>, NotAKey> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(HolderOfAnyKey(Arc::clone(&provider)));
    let resolver = Arc::new(AlwaysResolvesClientRawPublicKeys::new(key));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| NotAKey)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN.to_owned()];
    config.enable_sni = false;
    // One configuration serves all peers, and a TLS session ticket from one must not be presented
    // to another.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Builds the agent's TLS configuration.
pub(crate) fn accepting(key: Arc<CertifiedKey>) -> Result<Arc<ServerConfig>, NotAKey> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(HolderOfAnyKey(Arc::clone(&provider)));
    let resolver = Arc::new(AlwaysResolvesServerRawPublicKeys::new(key));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| NotAKey)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN.to_owned()];
    // A TLS session ticket would be as sensitive as the key, and would save neither a round trip
    // nor bytes (docs/ARCHITECTURE.md).
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// A placeholder for the server name that TLS requires. Both ends ignore it, because they identify
/// each other by key.
#[must_use]
pub fn placeholder_name() -> ServerName<'static> {
    ServerName::IpAddress(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED).into())
}

/// The key that the other end has proved it holds.
#[must_use]
pub fn peer_key(certificates: Option<&[CertificateDer<'_>]>) -> Option<PublicKey> {
    certificates.and_then(<[_]>::first).map(|spki| PublicKey::of(spki))
}

#[derive(Debug)]
struct HolderOfAnyKey(Arc<CryptoProvider>);

/// Each side's verification of the other's signature. TLS 1.2 is not offered.
macro_rules! signed_by_the_holder {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("only TLS 1.3 is supported".to_owned()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
            let algorithms = &self.0.signature_verification_algorithms;
            verify_tls13_signature_with_raw_key(message, &spki, signature, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for HolderOfAnyKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    signed_by_the_holder!();
}

impl ClientCertVerifier for HolderOfAnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    signed_by_the_holder!();
}
