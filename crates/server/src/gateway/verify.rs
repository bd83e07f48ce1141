//! TLS towards an instance (VeNCrypt X509): who it must be, and who we are.

use std::io;
use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_model::endpoint::Endpoint;
use transom_model::instance::{Instance, InstanceSecurity};

use crate::app::{App, trust};
use crate::stream::Stream;

/// Whether the instance is to be reached by TLS only.
pub(super) fn is_configured(security: &InstanceSecurity) -> bool {
    security.ca.is_some() || security.fingerprint.is_some()
}

/// What TLS says was wrong, where an error is one of TLS.
pub(super) fn alert_in(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Wraps the stream in TLS and checks the instance's certificate.
pub(super) async fn start_tls(app: &App, instance: &Instance, stream: Stream) -> Result<Stream, End> {
    let failed = |cause: String| End::new(EndReason::InstanceTlsFailed, cause);
    let config = client_config(app, instance).map_err(failed)?;
    let name = match &instance.endpoint {
        Endpoint::Tcp { host, .. } => host.clone(),
        Endpoint::Unix { .. } | Endpoint::Cloud { .. } => "localhost".to_owned(),
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
            let pinned = Pinned { fingerprint: trust::fingerprint(fingerprint)?, provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned))
        }
        (None, Some(ca)) => {
            let named = Named::new(trust::certificates(ca)?, provider)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(named))
        }
        (None, None) => return Err("neither CA nor fingerprint is set".to_owned()),
    };
    let (Some(certificate), Some(key)) =
        (&security.certificate, app.instance_key(instance).map_err(|error| error.to_string())?)
    else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = trust::certificates(certificate)?;
    let key = trust::key(key.expose())?;
    builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
}

/// Trusts what chains to one of these certificates, and each of them itself.
///
/// A VNC server often shows a certificate that it signed itself, and openssl makes such a one an authority, which no chain may
/// end in. Where it is the very one that was named, it is trusted as it is, for the names in it.
#[derive(Debug)]
struct Named {
    certificates: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl Named {
    fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| error.to_string())?;
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let chains = chains.build().map_err(|error| error.to_string())?;
        Ok(Self { certificates, chains })
    }
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.certificates.contains(certificate) {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.chains.verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
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
