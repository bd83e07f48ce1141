//! TLS towards an instance (VeNCrypt X509): who it must be, and who we are.

use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_model::endpoint::Endpoint;
use transom_model::instance::{Instance, InstanceSecurity};

use crate::app::App;
use crate::stream::Stream;

/// Whether the instance is to be reached by TLS only.
pub(super) fn is_configured(security: &InstanceSecurity) -> bool {
    security.ca.is_some() || security.fingerprint.is_some()
}

/// Wraps the stream in TLS and checks the instance's certificate.
pub(super) async fn start_tls(app: &App, instance: &Instance, stream: Stream) -> Result<Stream, End> {
    let failed = |cause: String| End::new(EndReason::InstanceTlsFailed, cause);
    let config = client_config(app, instance).map_err(failed)?;
    let name = match &instance.endpoint {
        Endpoint::Tcp { host, .. } => host.clone(),
        Endpoint::Unix { .. } => "localhost".to_owned(),
    };
    let name = ServerName::try_from(name).map_err(|error| failed(error.to_string()))?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    tls.map(Stream::from).map_err(|error| failed(error.to_string()))
}

fn client_config(app: &App, instance: &Instance) -> Result<ClientConfig, String> {
    let security = &instance.security;
    let provider = crate::listener::tls::provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match (&security.fingerprint, &security.ca) {
        (Some(fingerprint), _) => {
            let pinned = Pinned { fingerprint: parse_fingerprint(fingerprint)?, provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned))
        }
        (None, Some(ca)) => builder.with_root_certificates(roots(ca)?),
        (None, None) => return Err("neither CA nor fingerprint is set".to_owned()),
    };
    let (Some(certificate), Some(key)) =
        (&security.certificate, app.instance_key(instance).map_err(|error| error.to_string())?)
    else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
        .map_err(|_| "the client key is not a PEM private key".to_owned())?;
    builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    certificates.map_err(|error| format!("a certificate is not PEM: {error}"))
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

/// SHA-256 as `AB:CD:…` or plain hexadecimal.
pub(crate) fn parse_fingerprint(text: &str) -> Result<[u8; 32], String> {
    let plain: String = text.trim().trim_start_matches("sha256:").replace([':', ' '], "");
    let bytes = hex::decode(plain).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "a fingerprint is the SHA-256 of a certificate: 64 hexadecimal digits".to_owned())
}

/// Trusts one certificate, whoever signed it and whatever name it bears.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = digest::digest(&digest::SHA256, certificate);
        constant_time::verify_slices_are_equal(shown.as_ref(), &self.fingerprint)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|_| CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
