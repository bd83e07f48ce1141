//! Cloud passwords and their verifiers: SCRAM-SHA-256 (RFC 5802 §3, RFC 7677).
//!
//! A reader of the database can neither join with a verifier nor derive the password from it. The
//! password has 119 random bits, so one iteration is enough.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The length of a salt in bytes.
pub const SALT: usize = 16;
/// Stretching protects passwords that people choose; these are random.
pub const ITERATIONS: NonZeroU32 = NonZeroU32::MIN;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 20;
const HASH: usize = 32;

/// A cloud password: 20 letters and digits. It is shown once and never stored.
#[derive(Clone, Debug)]
pub struct CloudPassword(Secret);

impl CloudPassword {
    /// The number of random bytes in a new password.
    pub const RANDOM: usize = 2 * LENGTH;

    /// Creates a password with 119 random bits. Two bytes select each character, so the bias
    /// between characters is negligible.
    #[must_use]
    pub fn from_random(bytes: [u8; Self::RANDOM]) -> Self {
        let characters = bytes.as_chunks::<2>().0.iter().map(|pair| {
            let index = usize::from(u16::from_be_bytes(*pair)) % ALPHABET.len();
            char::from(ALPHABET[index])
        });
        Self(Secret::new(characters.collect::<String>()))
    }

    /// The text itself, for the one response that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Derives the verifier that the store holds.
    #[must_use]
    pub fn verifier(&self, salt: [u8; SALT]) -> Verifier {
        Verifier::derive(self.expose().as_bytes(), &salt, ITERATIONS)
    }
}

impl From<Secret> for CloudPassword {
    /// Wraps a password that its holder supplies.
    fn from(secret: Secret) -> Self {
        Self(secret)
    }
}

/// The client's proof of knowing the password: `ClientProof`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScramProof(pub [u8; HASH]);

impl ScramProof {
    /// Computes the proof for one exchange.
    #[must_use]
    pub fn make(password: &[u8], salt: &[u8], iterations: NonZeroU32, auth_message: &[u8]) -> Self {
        let client_key = client_key(&salted(password, salt, iterations));
        let signature = mac(&hash(&client_key), auth_message);
        Self(xor(&client_key, &signature))
    }
}

/// The verifier of a password. It recognizes a holder of the password and proves the server's
/// knowledge in turn.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// The salt.
    pub salt: Vec<u8>,
    /// The number of iterations.
    pub iterations: NonZeroU32,
    /// `StoredKey`: the hash of the key that a proof reveals.
    pub stored_key: [u8; HASH],
    /// `ServerKey`: the key of the server's own proof.
    pub server_key: [u8; HASH],
}

impl Verifier {
    /// Derives the verifier from a password.
    #[must_use]
    pub fn derive(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let salted = salted(password, salt, iterations);
        Self {
            salt: salt.to_owned(),
            iterations,
            stored_key: hash(&client_key(&salted)),
            server_key: mac(&salted, b"Server Key"),
        }
    }

    /// Returns whether the proof was made with the password, for this exchange.
    #[must_use]
    pub fn accepts(&self, proof: &ScramProof, auth_message: &[u8]) -> bool {
        let client_key = xor(&proof.0, &mac(&self.stored_key, auth_message));
        constant_time::verify_slices_are_equal(&hash(&client_key), &self.stored_key).is_ok()
    }

    /// `ServerSignature`: the server's proof that it holds the verifier.
    #[must_use]
    pub fn server_signature(&self, auth_message: &[u8]) -> [u8; HASH] {
        mac(&self.server_key, auth_message)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

impl fmt::Debug for ScramProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramProof(..)")
    }
}

fn salted(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; HASH]> {
    let mut out = Zeroizing::new([0; HASH]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password, &mut *out);
    out
}

fn client_key(salted: &[u8; HASH]) -> Zeroizing<[u8; HASH]> {
    Zeroizing::new(mac(salted, b"Client Key"))
}

pub(super) fn mac(key: &[u8; HASH], message: &[u8]) -> [u8; HASH] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0; HASH];
    out.copy_from_slice(tag.as_ref());
    out
}

fn hash(bytes: &[u8; HASH]) -> [u8; HASH] {
    let mut out = [0; HASH];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

fn xor(one: &[u8; HASH], other: &[u8; HASH]) -> [u8; HASH] {
    std::array::from_fn(|n| one[n] ^ other[n])
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn c19_a_password_is_20_letters_and_digits_and_does_not_print() {
        let password = CloudPassword::from_random(std::array::from_fn(|n| n as u8));
        assert_eq!(password.expose().len(), 20);
        assert!(password.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(format!("{password:?}"), "CloudPassword(Secret(..))");
        assert_eq!(format!("{:?}", password.verifier([1; SALT])), "Verifier(..)");
    }

    /// The example of RFC 7677 §3.
    #[test]
    fn the_example_of_the_specification_is_reproduced() {
        const AUTH_MESSAGE: &[u8] = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let iterations = NonZeroU32::new(4096).expect("not zero");
        let verifier = Verifier::derive(b"pencil", &salt, iterations);
        let proof = ScramProof::make(b"pencil", &salt, iterations, AUTH_MESSAGE);
        assert_eq!(STANDARD.encode(proof.0), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert!(verifier.accepts(&proof, AUTH_MESSAGE));
        let signature = STANDARD.encode(verifier.server_signature(AUTH_MESSAGE));
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_proof_of_another_password_message_or_salt_is_refused() {
        let password = CloudPassword::from_random([9; CloudPassword::RANDOM]);
        let verifier = password.verifier([3; SALT]);
        let make = |password: &str, salt, message: &[u8]| {
            ScramProof::make(password.as_bytes(), &[salt; SALT], ITERATIONS, message)
        };
        assert!(verifier.accepts(&make(password.expose(), 3, b"exchange"), b"exchange"));
        assert!(!verifier.accepts(&make("another", 3, b"exchange"), b"exchange"));
        assert!(!verifier.accepts(&make(password.expose(), 4, b"exchange"), b"exchange"));
        assert!(!verifier.accepts(&make(password.expose(), 3, b"earlier"), b"exchange"));
        assert!(!verifier.accepts(&ScramProof(verifier.stored_key), b"exchange"));
    }
}
