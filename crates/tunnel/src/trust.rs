//! Trust in certificates that an operator or user has named. The same rule applies to Transom
//! servers, machines and clouds.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The shortest RSA key that the TLS library verifies.
const LEAST_RSA_BITS: usize = 2048;
/// `rsaEncryption` (RFC 8017 §A.1), as an element of DER.
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// The tag of `version`, which a certificate of version 1 leaves out (RFC 5280 §4.1.2.1).
const VERSION: u8 = 0xa0;

/// Trusts each of the named certificates, and every certificate that chains to one of them.
///
/// Many servers present a self-signed certificate. OpenSSL marks such a certificate as a CA, which
/// standard verification does not accept from a server. If the server presents exactly the named
/// certificate, it is therefore trusted without a chain, for the names in it.
#[derive(Debug)]
pub struct NamedCertificates {
    certificates: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
    beside: Option<Arc<dyn ServerCertVerifier>>,
}

impl NamedCertificates {
    /// Trusts only these certificates. Returns a description of the error if one is malformed.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| error.to_string())?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let chains = chains.map_err(|error| error.to_string())?;
        Ok(Self { certificates, chains, beside: None })
    }

    /// Also trusts every certificate that `other` trusts.
    #[must_use]
    pub fn beside(self, other: Arc<dyn ServerCertVerifier>) -> Self {
        Self { beside: Some(other), ..self }
    }
}

/// Builds a TLS client configuration that trusts these certificates.
pub fn client_config(named: NamedCertificates) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.dangerous();
    Ok(builder.with_custom_certificate_verifier(Arc::new(named)).with_no_client_auth())
}

/// Reads PEM certificates, at least one.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err("must hold PEM certificates (-----BEGIN CERTIFICATE-----)"),
    }
}

impl ServerCertVerifier for NamedCertificates {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificates.contains(certificate) {
            let parsed = ParsedCertificate::try_from(certificate);
            verify_server_name(&parsed.map_err(|error| explained(certificate, error))?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let chained = self.chains.verify_server_cert(certificate, intermediates, name, ocsp, now);
        match (&self.beside, chained) {
            (Some(other), Err(_)) => other.verify_server_cert(certificate, intermediates, name, ocsp, now),
            (_, chained) => chained.map_err(|error| explained(certificate, error)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = self.chains.verify_tls12_signature(message, certificate, signed);
        verified.map_err(|error| explained(certificate, error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = self.chains.verify_tls13_signature(message, certificate, signed);
        verified.map_err(|error| explained(certificate, error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Verifies a TLS 1.2 signature with the key in a certificate of any version: a pinned certificate
/// need not be well-formed.
pub fn pinned_tls12_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let Some(key) = parts(certificate).filter(|parts| parts.is_version_1).map(|parts| parts.key) else {
        let verified = verify_tls12_signature(message, certificate, signed, algorithms);
        return verified.map_err(|error| explained(certificate, error));
    };
    let of_scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let fitting = of_scheme.into_iter().flat_map(|(_, all)| all.iter());
    let verified = fitting
        .filter(|one| one.public_key_alg_id().as_ref() == key.algorithm)
        .any(|one| one.verify_signature(key.bits, message, signed.signature()).is_ok());
    match verified {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(explained(certificate, CertificateError::BadSignature.into())),
    }
}

/// Verifies a TLS 1.3 signature in the same way.
pub fn pinned_tls13_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let verified = match parts(certificate).filter(|parts| parts.is_version_1) {
        Some(parts) => {
            let key = SubjectPublicKeyInfoDer::from(parts.key.whole);
            verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
        }
        None => verify_tls13_signature(message, certificate, signed, algorithms),
    };
    verified.map_err(|error| explained(certificate, error))
}

/// A reason why a certificate is not accepted. Its text includes the remedy.
#[derive(Debug)]
enum Unacceptable {
    ShortKey(usize),
    Version1,
}

impl fmt::Display for Unacceptable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShortKey(bits) => write!(
                f,
                "its certificate has an RSA key of {bits} bits, but at least {LEAST_RSA_BITS} are required: give it a certificate with a longer key"
            ),
            Self::Version1 => f.write_str(
                "its certificate has X.509 version 1, which contains no names: trust it by --fingerprint instead of --ca, or \
                 give it one of version 3",
            ),
        }
    }
}

/// Replaces an error by a more helpful one, if the certificate shows its cause.
fn explained(certificate: &CertificateDer<'_>, error: Error) -> Error {
    let Some(parts) = parts(certificate) else { return error };
    let wrong = match parts.key.rsa_bits() {
        Some(bits) if bits < LEAST_RSA_BITS => Unacceptable::ShortKey(bits),
        _ if parts.is_version_1 => Unacceptable::Version1,
        _ => return error,
    };
    // rustls displays other kinds of errors in their `Debug` form, which names Rust types.
    Error::General(wrong.to_string())
}

/// The parts of a certificate that are read here.
struct CertificateParts<'a> {
    is_version_1: bool,
    key: SubjectKey<'a>,
}

/// A SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
struct SubjectKey<'a> {
    whole: &'a [u8],
    algorithm: &'a [u8],
    bits: &'a [u8],
}

impl SubjectKey<'_> {
    fn rsa_bits(&self) -> Option<usize> {
        if !self.algorithm.starts_with(RSA) {
            return None;
        }
        let mut key = Der(Der(self.bits).take(SEQUENCE)?.content);
        let modulus = key.take(INTEGER)?.content;
        let first = modulus.iter().position(|byte| *byte != 0)?;
        let modulus = modulus.get(first..)?;
        Some(8 * modulus.len() - modulus.first()?.leading_zeros() as usize)
    }
}

fn parts<'a>(certificate: &'a CertificateDer<'_>) -> Option<CertificateParts<'a>> {
    let mut body = Der(Der(Der(certificate).take(SEQUENCE)?.content).take(SEQUENCE)?.content);
    let is_version_1 = body.take(VERSION).is_none();
    // Serial number, signature algorithm, issuer, validity, subject.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        body.take(tag)?;
    }
    let key = body.take(SEQUENCE)?;
    let mut parts = Der(key.content);
    let algorithm = parts.take(SEQUENCE)?.content;
    let [0, bits @ ..] = parts.take(BIT_STRING)?.content else { return None };
    Some(CertificateParts { is_version_1, key: SubjectKey { whole: key.whole, algorithm, bits } })
}

/// The part of a DER encoding (X.690) that is not read yet.
struct Der<'a>(&'a [u8]);

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Der<'a> {
    /// Reads the next element if it has this tag. Otherwise returns `None` and reads nothing.
    fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        let [first, short, rest @ ..] = self.0 else { return None };
        if *first != tag {
            return None;
        }
        let (length, head) = match short {
            0..=0x7f => (usize::from(*short), 2),
            0x81 => (usize::from(*rest.first()?), 3),
            0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), 4),
            // rustls accepts no certificate of 64 KiB from a server.
            _ => return None,
        };
        let (whole, rest) = self.0.split_at_checked(head + length)?;
        self.0 = rest;
        Some(Element { whole, content: whole.get(head..)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arbitrary_bytes_are_no_certificate() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x82",
            b"\x30\x82\xff\xff",
            b"\x30\x84\xff\xff\xff\xff\x00",
            b"\x30\x04\x30\x02\x02\x00",
            b"\x30\x80\x00\x00",
        ] {
            assert!(parts(&CertificateDer::from(bytes)).is_none(), "{bytes:x?}");
        }
    }

    #[test]
    fn a_keys_length_is_its_modulus_without_zeros_in_front() {
        let key = |bits: &'static [u8]| SubjectKey { whole: &[], algorithm: RSA, bits };
        assert_eq!(key(b"\x30\x05\x02\x03\x00\x80\x01").rsa_bits(), Some(16));
        assert_eq!(key(b"\x30\x04\x02\x02\x01\x01").rsa_bits(), Some(9));
        for broken in [&b"\x30\x02\x02\x00"[..], b"\x30\x03\x02\x01\x00", b"\x02\x01\x01", b""] {
            assert_eq!(key(broken).rsa_bits(), None, "{broken:x?}");
        }
        assert_eq!(SubjectKey { whole: &[], algorithm: b"\x06\x01\x2a", bits: b"" }.rsa_bits(), None);
    }
}
