//! Enrollment tokens, with which an unknown device authenticates.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::password::mac;
use super::{ITERATIONS, ScramProof, Verifier};
use crate::id::EnrollmentId;
use crate::secret::{Secret, TokenDigest};

const ID: usize = 16;
const SECRET: usize = 16;
const TOKEN: usize = ID + SECRET;
const HASH: usize = 32;
/// The prefix of the server's answer, which separates it from other proofs.
const ANSWERING: &[u8] = b"transom enrolled v2 ";

/// An enrollment token: the enrollment's id and 128 random bits, as 43 letters, digits, `-` and
/// `_`.
///
/// The device proves it as it would a password (RFC 5802 §3, with the id as salt) and never sends
/// it. Neither an eavesdropper nor a reader of the server's database can enroll with the data they
/// see.
#[derive(Clone)]
pub struct EnrollmentToken {
    id: EnrollmentId,
    secret: Zeroizing<[u8; SECRET]>,
}

/// The error for a text that is not an enrollment token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an enrollment token consists of 43 letters, digits, - and _")]
pub struct NotAToken;

impl EnrollmentToken {
    /// The number of random bytes in a new token.
    pub const RANDOM: usize = SECRET;

    /// Creates the token of this enrollment.
    #[must_use]
    pub fn new(id: EnrollmentId, random: [u8; Self::RANDOM]) -> Self {
        Self { id, secret: Zeroizing::new(random) }
    }

    /// The enrollment's id.
    #[must_use]
    pub fn id(&self) -> EnrollmentId {
        self.id
    }

    /// The token as text, for the device.
    #[must_use]
    pub fn text(&self) -> Secret {
        Secret::from_random(&[&self.id.0.as_bytes()[..], &self.secret[..]].concat())
    }

    /// The digest that the server stores (`StoredKey`).
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Verifier::derive(&self.secret[..], self.id.0.as_bytes(), ITERATIONS).stored_key)
    }

    /// Proves possession of the token. The proof is valid for this message only.
    #[must_use]
    pub fn prove(&self, message: &[u8]) -> [u8; HASH] {
        ScramProof::make(&self.secret[..], self.id.0.as_bytes(), ITERATIONS, message).0
    }
}

impl TokenDigest {
    /// Returns whether the proof was made with this digest's token, for this message.
    #[must_use]
    pub fn is_proved_by(&self, proof: &[u8; HASH], message: &[u8]) -> bool {
        let verifier =
            Verifier { salt: Vec::new(), iterations: ITERATIONS, stored_key: self.0, server_key: self.0 };
        verifier.accepts(&ScramProof(*proof), message)
    }

    /// The server's proof that this address is the answer to this message.
    #[must_use]
    pub fn answer(&self, message: &[u8], address: &str) -> [u8; HASH] {
        mac(&self.0, &[ANSWERING, message, address.as_bytes()].concat())
    }

    /// Returns whether the address is the answer of a server that stores this token's digest.
    #[must_use]
    pub fn answers(&self, message: &[u8], address: &str, answer: &[u8; HASH]) -> bool {
        constant_time::verify_slices_are_equal(&self.answer(message, address), answer).is_ok()
    }
}

impl FromStr for EnrollmentToken {
    type Err = NotAToken;
    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAToken)?);
        let bytes: &[u8; TOKEN] = bytes.as_slice().try_into().map_err(|_| NotAToken)?;
        let (mut id, mut secret) = ([0; ID], Zeroizing::new([0; SECRET]));
        id.copy_from_slice(&bytes[..ID]);
        secret.copy_from_slice(&bytes[ID..]);
        Ok(Self { id: EnrollmentId(Uuid::from_bytes(id)), secret })
    }
}

impl fmt::Debug for EnrollmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnrollmentToken({}, ..)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: u8) -> EnrollmentToken {
        EnrollmentToken::new(EnrollmentId(Uuid::from_bytes([7; ID])), [secret; SECRET])
    }

    #[test]
    fn a_token_survives_the_conversion_to_text_and_does_not_print() {
        let text = token(1).text();
        assert_eq!(text.expose().len(), 43);
        let read: EnrollmentToken = text.expose().parse().expect("a token");
        assert_eq!((read.id(), read.digest()), (token(1).id(), token(1).digest()));
        assert_eq!(format!("{read:?}"), "EnrollmentToken(07070707-0707-0707-0707-070707070707, ..)");
        for bad in ["", "guessed", &text.expose()[1..], &format!("{}=", text.expose())] {
            assert_eq!(bad.parse::<EnrollmentToken>().map(drop), Err(NotAToken), "{bad}");
        }
    }

    #[test]
    fn a_proof_and_an_answer_are_valid_for_one_token_and_one_message() {
        let (proof, kept) = (token(1).prove(b"here"), token(1).digest());
        assert!(kept.is_proved_by(&proof, b"here"));
        assert!(!kept.is_proved_by(&proof, b"there"));
        assert!(!kept.is_proved_by(&token(2).prove(b"here"), b"here"));
        let answer = kept.answer(b"here", "address");
        assert!(token(1).digest().answers(b"here", "address", &answer));
        assert!(!kept.answers(b"there", "address", &answer));
        assert!(!kept.answers(b"here", "another", &answer));
        assert!(!token(2).digest().answers(b"here", "address", &answer));
    }
}
