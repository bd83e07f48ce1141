//! Trust settings for TLS with an instance, as callers send them: PEM certificates, a PEM key, a
//! fingerprint.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Parses one or more PEM certificates.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    transom_tunnel::trust::certificates(pem.as_bytes())
}

/// Parses a PEM private key.
pub fn key(pem: &str) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "must hold a PEM private key without a passphrase")
}

/// Parses the SHA-256 of a certificate, as `AB:CD:…` or plain hexadecimal.
pub fn fingerprint(text: &str) -> Result<[u8; 32], &'static str> {
    let plain: String = text.trim().trim_start_matches("sha256:").replace([':', ' '], "");
    let bytes = hex::decode(plain).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(
        "must be the SHA-256 of a certificate: 64 hexadecimal digits (openssl x509 -fingerprint -sha256)",
    )
}
