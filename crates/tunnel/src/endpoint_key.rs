//! Endpoint keys: Ed25519, one for each device and each viewer's side, made at first use and kept.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::signature::KeyPair as _;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};
use zeroize::Zeroizing;

use crate::end_to_end;

/// A key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not an endpoint key")]
pub struct NotAKey;

/// The key of one end.
pub struct EndpointKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
    dialling: Arc<ClientConfig>,
    accepting: Arc<ServerConfig>,
}

impl EndpointKey {
    /// A new one.
    pub fn generate() -> Result<Self, NotAKey> {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::generate().map_err(|_| NotAKey)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| NotAKey)?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// One that was kept.
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

    /// PKCS#8, to be kept as a secret.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// What others know it by.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs this; answers the public key as its 32 bytes (RFC 8032), and the signature.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<([u8; 32], [u8; 64]), NotAKey> {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&self.pkcs8).map_err(|_| NotAKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NotAKey)?;
        let signature = pair.sign(message).as_ref().try_into().map_err(|_| NotAKey)?;
        Ok((public, signature))
    }

    /// The connector's side of a session with this key.
    #[must_use]
    pub fn dialling(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.dialling)
    }

    /// The agent's side of a session with this key.
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

/// What an end is known by: the SHA-256 of its public key (SubjectPublicKeyInfo, RFC 7250), 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Of this SubjectPublicKeyInfo.
    #[must_use]
    pub fn of(spki: &[u8]) -> Self {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, spki).as_ref());
        Self(fingerprint)
    }

    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// Six words for two people on the telephone: the same at both ends, whoever asks, and other words for any other pair.
    ///
    /// They are proquints (arXiv:0901.4016), 16 bits each, of a hash of both keys.
    #[must_use]
    pub fn phrase(self, other: Self) -> String {
        let (low, high) = if self.0 <= other.0 { (self.0, other.0) } else { (other.0, self.0) };
        let hash = digest::digest(&digest::SHA256, &[low, high].concat());
        let pairs = hash.as_ref().as_chunks::<2>().0;
        pairs.iter().take(6).map(|pair| proquint(u16::from_be_bytes(*pair))).collect::<Vec<_>>().join(" ")
    }
}

fn proquint(bits: u16) -> String {
    const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8; 4] = b"aiou";
    let consonant = |shift: u32| char::from(CONSONANTS[usize::from(bits >> shift & 15)]);
    let vowel = |shift: u32| char::from(VOWELS[usize::from(bits >> shift & 3)]);
    [consonant(12), vowel(10), consonant(6), vowel(4), consonant(0)].into_iter().collect()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let mut fingerprint = [0; 32];
        // As people copy it: with colons, in capitals.
        hex::decode_to_slice(text.replace(':', ""), &mut fingerprint).map_err(|_| NotAKey)?;
        Ok(Self(fingerprint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proquints_are_those_of_the_paper() {
        // 127.0.0.1 is lusab-babad.
        assert_eq!(proquint(0x7F00), "lusab");
        assert_eq!(proquint(0x0001), "babad");
    }

    #[test]
    fn both_ends_say_the_same_words_and_a_third_says_others() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|spki| PublicKey::of(spki));
        assert_eq!(a.phrase(b), b.phrase(a));
        assert_ne!(a.phrase(b), a.phrase(c));
        assert_eq!(a.phrase(b).split(' ').count(), 6);
    }

    #[test]
    fn a_kept_key_is_the_same_key() {
        let key = EndpointKey::generate().expect("key");
        let kept = EndpointKey::from_pkcs8(key.pkcs8()).expect("kept");
        assert_eq!(kept.public(), key.public());
        assert_eq!(key.public().to_string().to_uppercase().parse(), Ok(key.public()));
        assert!(EndpointKey::from_pkcs8(b"no key").is_err());
    }
}
