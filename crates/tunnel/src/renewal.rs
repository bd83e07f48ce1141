//! The server's signed statement that a device's key has changed: the device was replaced, or its
//! new key was accepted.
//!
//! The statement does not make the new key trusted. It allows a connector that knows the old key to
//! ask the user, instead of refusing the connection.
//!
//! ```text
//! u64 seconds since 1970 · 32 the device's key · 32 the server's Ed25519 key · 64 signature
//! ```

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use crate::endpoint_key::EndpointKey;
use crate::frame::{Frame, FrameError};
use crate::public_key::{NotAKey, PublicKey};
use crate::wire::Reader;

/// A label in the signed bytes, so that a signature for one purpose is never valid for another.
const SIGNING: &[u8] = b"transom renewal v1 ";
/// The bytes before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The server's statement, signed by the endpoint key that it presents to devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The time of the change, in seconds since 1970.
    pub at: u64,
    /// The device's current key.
    pub key: PublicKey,
    signer: [u8; 32],
    signature: [u8; 64],
}

impl Renewal {
    /// States that the device at this address has had this key since `at`.
    pub fn sign(signer: &EndpointKey, address: &str, key: PublicKey, at: u64) -> Result<Self, NotAKey> {
        let (signer, signature) = signer.sign(&signed(address, key, at))?;
        Ok(Self { at, key, signer, signature })
    }

    /// The key that signed the statement for this address. `None` if the signature is not valid.
    #[must_use]
    pub fn signed_by(&self, address: &str) -> Option<PublicKey> {
        let Self { at, key, signer, signature } = self;
        UnparsedPublicKey::new(&ED25519, signer).verify(&signed(address, *key, *at), signature).ok()?;
        Some(PublicKey::of(&[&SPKI[..], signer].concat()))
    }

    pub(crate) fn write(&self, frame: Frame) -> Frame {
        frame
            .bytes(&self.at.to_be_bytes())
            .bytes(&self.key.bytes())
            .bytes(&self.signer)
            .bytes(&self.signature)
    }

    /// Reads the statement at the end of a message. `None` if the message ends before it.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let whole = |reader: &mut Reader<'_>| {
            let at = reader.array().map(u64::from_be_bytes)?;
            let key = PublicKey::from_bytes(reader.array()?);
            Ok::<_, FrameError>(Self { at, key, signer: reader.array()?, signature: reader.array()? })
        };
        whole(reader).ok()
    }
}

fn signed(address: &str, key: PublicKey, at: u64) -> Vec<u8> {
    [SIGNING, &key.bytes(), &at.to_be_bytes(), address.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_holds_for_one_server_device_key_and_time() {
        let [server, device] = [(); 2].map(|()| EndpointKey::generate().expect("a key"));
        let word = Renewal::sign(&server, "a", device.public(), 7).expect("signed");
        assert_eq!(word.signed_by("a"), Some(server.public()));
        assert_eq!(word.signed_by("b"), None);
        for other in [
            Renewal { at: 8, ..word.clone() },
            Renewal { key: server.public(), ..word.clone() },
            Renewal { signer: [1; 32], ..word.clone() },
            Renewal { signature: [1; 64], ..word.clone() },
        ] {
            assert_eq!(other.signed_by("a"), None);
        }
    }
}
