//! VNC authentication: the server's 16 random bytes, encrypted with DES under the password (RFC
//! 6143 §7.2.2).

use std::fmt;

use des::Des;
use des::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The length of the challenge and of its answer.
pub const CHALLENGE_LEN: usize = 16;

/// The part of a password that VNC authentication uses: its first eight bytes.
///
/// It is never printed, and is wiped from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct VncPassword {
    key: [u8; 8],
    truncated: bool,
}

impl VncPassword {
    /// Takes the first eight bytes of `password`. A shorter one is padded with zeros, as the
    /// protocol demands.
    pub fn new(password: &str) -> Self {
        let mut key = [0; 8];
        for (slot, byte) in key.iter_mut().zip(password.bytes()) {
            *slot = byte;
        }
        Self { key, truncated: password.len() > 8 }
    }

    /// Returns whether the password has more than eight bytes, of which the rest are ignored. The
    /// user should be told, because most people expect the whole password to count.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The answer to a server's challenge.
    pub fn respond(&self, challenge: &[u8; CHALLENGE_LEN]) -> [u8; CHALLENGE_LEN] {
        // The historic implementation gives DES its key bits in reverse order.
        let mut key = self.key.map(u8::reverse_bits);
        let cipher = Des::new(&Array(key));
        key.zeroize();
        let mut response = *challenge;
        for block in response.as_chunks_mut::<8>().0 {
            let mut cells = Array(*block);
            cipher.encrypt_block(&mut cells);
            *block = cells.0;
        }
        response
    }

    /// Returns whether `response` answers `challenge` under this password. The comparison has no
    /// early exit.
    pub fn accepts(&self, challenge: &[u8; CHALLENGE_LEN], response: &[u8; CHALLENGE_LEN]) -> bool {
        self.respond(challenge).iter().zip(response).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl fmt::Debug for VncPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VncPassword(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTING: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    #[test]
    fn answers_are_those_of_another_implementation_of_des() {
        let cases = [
            ("", [0; 16], 0x8ca6_4de9_c1b1_23a7_8ca6_4de9_c1b1_23a7_u128),
            ("secretpw", COUNTING, 0x5002_a20f_40d9_6c59_ec8a_26f4_7ae5_688d),
            (
                "short",
                0xffee_ddcc_bbaa_9988_7766_5544_3322_1100_u128.to_be_bytes(),
                0xf88e_102a_cf85_fedb_e81a_8aa3_0342_6706,
            ),
            ("longer than eight", COUNTING, 0x2b8d_d608_9fd1_e984_4f28_89ee_ecc3_74d9),
        ];
        for (password, challenge, answer) in cases {
            assert_eq!(VncPassword::new(password).respond(&challenge), answer.to_be_bytes(), "{password:?}");
        }
    }

    #[test]
    fn only_eight_characters_count_and_truncation_is_reported() {
        let (long, cut) = (VncPassword::new("12345678zzz"), VncPassword::new("12345678"));
        assert!(long.is_truncated() && !cut.is_truncated());
        assert!(long.accepts(&COUNTING, &cut.respond(&COUNTING)));
        assert!(!VncPassword::new("1234567").accepts(&COUNTING, &cut.respond(&COUNTING)));
    }

    #[test]
    fn a_password_cannot_be_printed() {
        assert_eq!(format!("{:?}", VncPassword::new("secretpw")), "VncPassword(..)");
    }
}
