//! The vault: seals the secrets that must be read again, under keys derived from the master key.
//!
//! A sealed value is `1 version · 12 nonce · ciphertext · 16 tag` (AES-256-GCM). Each purpose has
//! its own key (HKDF-SHA-256). The row's id is authenticated with the ciphertext, so a value cannot
//! be moved to another row.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::hmac;
use transom_model::instance::Sealed;
use transom_model::secret::Secret;
use zeroize::Zeroizing;

use crate::random;

/// The only key version so far.
const VERSION: u8 = 1;

/// The purpose of a sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An access key's secret, which is needed to verify signatures.
    AccessKeySecret,
    /// An instance's VNC password.
    InstancePassword,
    /// An instance's client key.
    InstanceKey,
    /// The headers of an instance's request for a WebSocket.
    InstanceHeaders,
    /// The position in a list of cloud addresses, which callers send back.
    ListCursor,
    /// A console token of an existing cloud. Transom asks the cloud about it at every connect.
    ForeignToken,
    /// The salt of an address that does not exist.
    DeviceChallenge,
    /// Repeater tickets and IDs. Some are so short that a digest without a key could be searched.
    RepeaterTicket,
    /// The key that the gateway presents to agents.
    GatewayKey,
    /// A constant that reveals a wrong master key at start.
    Check,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::AccessKeySecret => b"transom access key secret",
            Self::InstancePassword => b"transom instance password",
            Self::InstanceKey => b"transom instance key",
            Self::InstanceHeaders => b"transom instance headers",
            Self::ListCursor => b"transom list cursor",
            Self::ForeignToken => b"transom foreign token",
            Self::DeviceChallenge => b"transom device challenge",
            Self::RepeaterTicket => b"transom repeater ticket",
            Self::GatewayKey => b"transom gateway key",
            Self::Check => b"transom check",
        }
    }
}

/// The error for a sealed value that cannot be opened: the master key is a different one, or the
/// row was changed.
#[derive(Debug, thiserror::Error)]
#[error("a secret cannot be decrypted with this master key")]
pub struct CannotOpen;

/// The 32 bytes from which every sealing key is derived.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Creates a master key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// Seals and opens secrets, and signs messages.
pub struct Vault(MasterKey);

impl Vault {
    /// Creates a vault with this master key.
    #[must_use]
    pub fn new(key: MasterKey) -> Self {
        Self(key)
    }

    /// Seals a secret for one row.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, row: &str, secret: &Secret) -> Sealed {
        let nonce = random::bytes::<NONCE_LEN>();
        let mut text = secret.expose().as_bytes().to_vec();
        self.key(purpose)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(row.as_bytes()),
                &mut text,
            )
            .expect("a secret is shorter than AES-GCM's limit");
        Sealed([&[VERSION][..], &nonce, &text].concat())
    }

    /// Opens a value that was sealed for the same purpose and row.
    pub fn open(&self, purpose: Purpose, row: &str, sealed: &Sealed) -> Result<Secret, CannotOpen> {
        let (version, rest) = sealed.0.split_first().ok_or(CannotOpen)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(CannotOpen)?;
        if *version != VERSION {
            return Err(CannotOpen);
        }
        let mut text = Zeroizing::new(text.to_vec());
        let opened = self
            .key(purpose)
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(row.as_bytes()), &mut text)
            .map_err(|_| CannotOpen)?;
        std::str::from_utf8(opened).map(Secret::new).map_err(|_| CannotOpen)
    }

    /// Returns a signature (HMAC-SHA-256) that only this vault can make.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> [u8; 32] {
        let info = [purpose.label()];
        let derived = self.derived();
        let okm = derived.expand(&info, hmac::HMAC_SHA256).expect("32 bytes are within HKDF's limit");
        let tag = hmac::sign(&hmac::Key::from(okm), message);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    fn derived(&self) -> Prk {
        Salt::new(HKDF_SHA256, b"transom v1").extract(&*self.0.0)
    }

    fn key(&self, purpose: Purpose) -> LessSafeKey {
        let info = [purpose.label()];
        let derived = self.derived();
        let okm = derived.expand(&info, &AES_256_GCM).expect("32 bytes are within HKDF's limit");
        LessSafeKey::new(UnboundKey::from(okm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_for_its_row_and_purpose() {
        let vault = Vault::new(MasterKey::new([7; 32]));
        let sealed = vault.seal(Purpose::InstancePassword, "row-1", &Secret::new("secretpw"));
        let open = |purpose, row: &str| vault.open(purpose, row, &sealed).map(|s| s.expose().to_owned()).ok();
        assert_eq!(open(Purpose::InstancePassword, "row-1").as_deref(), Some("secretpw"));
        assert_eq!(open(Purpose::InstancePassword, "row-2"), None);
        assert_eq!(open(Purpose::AccessKeySecret, "row-1"), None);
        let other = Vault::new(MasterKey::new([8; 32]));
        assert!(other.open(Purpose::InstancePassword, "row-1", &sealed).is_err());
        assert!(!sealed.0.windows(8).any(|window| window == b"secretpw"));
    }
}
