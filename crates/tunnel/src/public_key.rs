//! Public keys, by which the two ends of a session identify each other.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

/// The error for bytes or text that are not a usable endpoint key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not an endpoint key")]
pub struct NotAKey;

/// The identity of an end: the SHA-256 of its public key (SubjectPublicKeyInfo, RFC 7250), written
/// as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Hashes a SubjectPublicKeyInfo.
    #[must_use]
    pub fn of(spki: &[u8]) -> Self {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, spki).as_ref());
        Self(fingerprint)
    }

    /// Wraps the 32 bytes of a hash that was computed earlier.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the hash.
    #[must_use]
    pub fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// Six words that two people compare on the telephone. Both ends compute the same words, and a
    /// different pair of keys gives different words.
    ///
    /// The words are proquints (arXiv:0901.4016), 16 bits each, of a hash of both keys.
    #[must_use]
    pub fn phrase(self, other: Self) -> String {
        let (low, high) = if self.0 <= other.0 { (self.0, other.0) } else { (other.0, self.0) };
        let hash = digest::digest(&digest::SHA256, &[low, high].concat());
        let pairs = hash.as_ref().as_chunks::<2>().0;
        pairs.iter().take(6).map(|pair| proquint(u16::from_be_bytes(*pair))).collect::<Vec<_>>().join(" ")
    }
}

fn proquint(bits: u16) -> String {
    const CONSONANTS: &[u8] = b"bdfghjklmnprstvz";
    const VOWELS: &[u8] = b"aiou";
    let letters = [(CONSONANTS, 12), (VOWELS, 10), (CONSONANTS, 6), (VOWELS, 4), (CONSONANTS, 0)];
    // A consonant stands for the lowest four of the shifted bits, a vowel for the lowest two.
    let letters =
        letters.iter().filter_map(|(table, shift)| table.get(usize::from(bits >> shift) % table.len()));
    letters.copied().map(char::from).collect()
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
        // People may copy a fingerprint with colons.
        hex::decode_to_slice(text.replace(':', ""), &mut fingerprint).map_err(|_| NotAKey)?;
        Ok(Self(fingerprint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proquints_are_those_of_the_paper() {
        // In the paper, 127.0.0.1 is lusab-babad.
        assert_eq!(proquint(0x7F00), "lusab");
        assert_eq!(proquint(0x0001), "babad");
    }

    #[test]
    fn both_ends_compute_the_same_words_and_a_third_key_gives_others() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|spki| PublicKey::of(spki));
        assert_eq!(a.phrase(b), b.phrase(a));
        assert_ne!(a.phrase(b), a.phrase(c));
        assert_eq!(a.phrase(b).split(' ').count(), 6);
    }
}
