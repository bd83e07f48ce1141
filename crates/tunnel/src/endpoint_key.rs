//! Endpoint keys: one Ed25519 key pair for each device and each connector, generated at first use
//! and then stored.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::KeyPair as _;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};
use zeroize::Zeroizing;

use crate::end_to_end;
use crate::public_key::{NotAKey, PublicKey};

/// The key pair of one end of a session.
pub struct EndpointKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
    dialling: Arc<ClientConfig>,
    accepting: Arc<ServerConfig>,
}

impl EndpointKey {
    /// Generates a new key.
    pub fn generate() -> Result<Self, NotAKey> {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().map_err(|_| NotAKey)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| NotAKey)?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// Reads a stored key.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, NotAKey> {
        let pkcs8 = Zeroizing::new(bytes.to_owned());
        let signing = any_supported_type(&der(&pkcs8)).map_err(|_| NotAKey)?;
        let spki = signing.public_key().ok_or(NotAKey)?;
        let public = PublicKey::of(&spki);
        let certified =
            Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki.as_ref().to_vec())], signing));
        let (dialling, accepting) =
            (end_to_end::dialling(Arc::clone(&certified))?, end_to_end::accepting(certified)?);
        Ok(Self { pkcs8, public, dialling, accepting })
    }

    /// The key as PKCS#8, which must be stored as a secret.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public half, which identifies this end to others.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a message. Returns the 32 bytes of the public key (RFC 8032), and the signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<([u8; 32], [u8; 64]), NotAKey> {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&self.pkcs8).map_err(|_| NotAKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NotAKey)?;
        let signature = pair.sign(message).as_ref().try_into().map_err(|_| NotAKey)?;
        Ok((public, signature))
    }

    /// The connector's TLS configuration with this key.
    #[must_use]
    pub fn dialling(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.dialling)
    }

    /// The agent's TLS configuration with this key.
    #[must_use]
    pub fn accepting(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.accepting)
    }
}

fn der(pkcs8: &[u8]) -> PrivateKeyDer<'_> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8))
}

impl fmt::Debug for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointKey({})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_is_the_same_key() {
        let key = EndpointKey::generate().expect("key");
        let kept = EndpointKey::from_pkcs8(key.pkcs8()).expect("kept");
        assert_eq!(kept.public(), key.public());
        assert_eq!(key.public().to_string().to_uppercase().parse(), Ok(key.public()));
        assert!(EndpointKey::from_pkcs8(b"no key").is_err());
    }
}
