//! Enrolment tokens: what a device that is not known yet has to show for itself.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::password::mac;
use super::{ITERATIONS, ScramProof, Verifier};
use crate::id::EnrolmentId;
use crate::secret::{Secret, TokenDigest};

const ID: usize = 16;
const SECRET: usize = 16;
const TOKEN: usize = ID + SECRET;
const HASH: usize = 32;
/// What the server's answer begins with, so that it is never a proof of something else.
const ANSWERING: &[u8] = b"transom enrolled v2 ";

/// A token: its enrolment's id and 128 random bits, as 43 letters, digits, `-` and `_`.
///
/// It is proved as a password is (RFC 5802 §3, with the id as salt) and never shown: whoever hears the proof, or reads what
/// the server keeps of the token, has nothing to enrol by.
#[derive(Clone)]
pub struct EnrolmentToken {
    id: EnrolmentId,
    secret: Zeroizing<[u8; SECRET]>,
}

/// A text that is no enrolment token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an enrolment token has 43 letters, digits, - and _")]
pub struct NotAToken;

impl EnrolmentToken {
    /// How many random bytes a new token takes.
    pub const RANDOM: usize = SECRET;

    /// The token of this enrolment.
    #[must_use]
    pub fn new(id: EnrolmentId, random: [u8; Self::RANDOM]) -> Self {
        Self { id, secret: Zeroizing::new(random) }
    }

    /// Whose token it is.
    #[must_use]
    pub fn id(&self) -> EnrolmentId {
        self.id
    }

    /// The text that devices are given.
    #[must_use]
    pub fn text(&self) -> Secret {
        Secret::from_random(&[&self.id.0.as_bytes()[..], &self.secret[..]].concat())
    }

    /// What is kept of it (`StoredKey`).
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Verifier::derive(&self.secret[..], self.id.0.as_bytes(), ITERATIONS).stored_key)
    }

    /// The proof of having it, which is one for this message only.
    #[must_use]
    pub fn prove(&self, message: &[u8]) -> [u8; HASH] {
        ScramProof::make(&self.secret[..], self.id.0.as_bytes(), ITERATIONS, message).0
    }
}

impl TokenDigest {
    /// Whether the proof is of somebody who has the token.
    #[must_use]
    pub fn is_proved_by(&self, proof: &[u8; HASH], message: &[u8]) -> bool {
        let verifier =
            Verifier { salt: Vec::new(), iterations: ITERATIONS, stored_key: self.0, server_key: self.0 };
        verifier.accepts(&ScramProof(*proof), message)
    }

    /// The proof of whoever keeps it that this address is the answer to that message.
    #[must_use]
    pub fn answer(&self, message: &[u8], address: &str) -> [u8; HASH] {
        mac(&self.0, &[ANSWERING, message, address.as_bytes()].concat())
    }

    /// Whether the address is the answer of somebody who keeps it.
    #[must_use]
    pub fn answers(&self, message: &[u8], address: &str, answer: &[u8; HASH]) -> bool {
        constant_time::verify_slices_are_equal(&self.answer(message, address), answer).is_ok()
    }
}

impl FromStr for EnrolmentToken {
    type Err = NotAToken;
    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAToken)?);
        let bytes: &[u8; TOKEN] = bytes.as_slice().try_into().map_err(|_| NotAToken)?;
        let (mut id, mut secret) = ([0; ID], Zeroizing::new([0; SECRET]));
        id.copy_from_slice(&bytes[..ID]);
        secret.copy_from_slice(&bytes[ID..]);
        Ok(Self { id: EnrolmentId(Uuid::from_bytes(id)), secret })
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnrolmentToken({}, ..)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: u8) -> EnrolmentToken {
        EnrolmentToken::new(EnrolmentId(Uuid::from_bytes([7; ID])), [secret; SECRET])
    }

    #[test]
    fn a_token_is_its_text_and_does_not_print() {
        let text = token(1).text();
        assert_eq!(text.expose().len(), 43);
        let read: EnrolmentToken = text.expose().parse().expect("a token");
        assert_eq!((read.id(), read.digest()), (token(1).id(), token(1).digest()));
        assert_eq!(format!("{read:?}"), "EnrolmentToken(07070707-0707-0707-0707-070707070707, ..)");
        for bad in ["", "guessed", &text.expose()[1..], &format!("{}=", text.expose())] {
            assert_eq!(bad.parse::<EnrolmentToken>().map(drop), Err(NotAToken), "{bad}");
        }
    }

    #[test]
    fn a_proof_is_of_one_token_for_one_message_and_so_is_the_answer() {
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
