//! TLS towards an instance (VeNCrypt X509): the identity that it must prove, and our own.

use std::io;
use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_model::endpoint::Endpoint;
use transom_model::instance::Instance;
use transom_net::Stream;
use transom_tunnel::trust::{NamedCertificates, pinned_tls12_signature, pinned_tls13_signature};

use transom_app::App;
use transom_app::inventory::trust;

/// Returns `true` if the instance must speak VeNCrypt. For `wss://`, the trust settings concern the
/// TLS connection below the WebSocket.
pub(super) fn is_vencrypt_required(instance: &Instance) -> bool {
    let is_below = matches!(instance.endpoint, Endpoint::WebSocket { is_secure: true, .. });
    !is_below && (instance.security.ca.is_some() || instance.security.fingerprint.is_some())
}

/// The end of an instance that closed without giving a reason. If the last thing it sent is a TLS
/// alert, it refused the client certificate: that alert follows the handshake (RFC 8446 §4.4.2.4).
pub(super) fn gone(error: &io::Error) -> End {
    match alert_in(error) {
        Some(alert) => End::new(EndReason::InstanceTlsFailed, alert.to_string()),
        None => End::new(EndReason::InstanceClosedEarly, error.kind().to_string()),
    }
}

/// Returns the TLS error inside an I/O error, if there is one.
fn alert_in(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// Wraps the stream in TLS and checks the instance's certificate.
pub(super) async fn start_tls(app: &App, instance: &Instance, stream: Stream) -> Result<Stream, End> {
    let failed = |cause: String| End::new(EndReason::InstanceTlsFailed, cause);
    let config = client_config(app, instance).map_err(failed)?;
    let name = match &instance.endpoint {
        Endpoint::Tcp { host, .. } | Endpoint::WebSocket { host, .. } => host.clone(),
        Endpoint::Unix { .. } | Endpoint::Cloud { .. } => "localhost".to_owned(),
    };
    let name = ServerName::try_from(name).map_err(|error| failed(error.to_string()))?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    tls.map(Stream::from).map_err(|error| failed(error.to_string()))
}

fn client_config(app: &App, instance: &Instance) -> Result<ClientConfig, String> {
    let security = &instance.security;
    let provider = transom_net::provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match (&security.fingerprint, &security.ca) {
        (Some(fingerprint), _) => {
            let pinned = Pinned { fingerprint: trust::fingerprint(fingerprint)?, provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned))
        }
        (None, Some(ca)) => {
            let named = NamedCertificates::new(trust::certificates(ca)?)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(named))
        }
        // Only a `wss://` endpoint gets here, which may have a public certificate.
        (None, None) => {
            let machine = Verifier::new(provider).map_err(|error| error.to_string())?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(machine))
        }
    };
    let (Some(certificate), Some(key)) =
        (&security.certificate, app.inventory.instance_key(instance).map_err(|error| error.to_string())?)
    else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = trust::certificates(certificate)?;
    let key = trust::key(key.expose())?;
    builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
}

/// A verifier that trusts one certificate, regardless of its issuer, name and version.
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
        let algorithms = &self.provider.signature_verification_algorithms;
        pinned_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        pinned_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
