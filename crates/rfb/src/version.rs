//! ProtocolVersion: `"RFB xxx.yyy\n"`, twelve bytes each way (RFC 6143 §7.1.1).

use std::fmt;

use crate::limits::MAX_EXCERPT;
use crate::printable::printable;

/// The length of a ProtocolVersion message.
pub const VERSION_LEN: usize = 12;

/// The three published versions. A peer that announces another number is served in one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Version 3.3: the server dictates the security type.
    V3_3,
    /// Version 3.7: the server lists security types, and the client chooses.
    V3_7,
    /// Version 3.8: as 3.7, but every security type ends in a SecurityResult with a reason.
    V3_8,
}

/// The numbers in a well-formed ProtocolVersion message, before they are mapped to a published
/// version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// The digits before the dot.
    pub major: u16,
    /// The digits after the dot.
    pub minor: u16,
}

impl Announced {
    /// Reads `"RFB xxx.yyy\n"`. `None` if the bytes have any other form.
    pub fn parse(message: &[u8; VERSION_LEN]) -> Option<Self> {
        let [b'R', b'F', b'B', b' ', a, b, c, b'.', x, y, z, b'\n'] = message else { return None };
        Some(Self { major: number([*a, *b, *c])?, minor: number([*x, *y, *z])? })
    }

    /// The published version to speak with a peer that announced these numbers. `None` below 3.3.
    ///
    /// By RFC 6143 §7.1.1, other numbers up to 3.6 count as 3.3: some peers announce 3.5, and
    /// UltraVNC 3.4 and 3.6. Apple announces 3.889, Intel AMT 4.0, RealVNC 4.1 and 5.0; they all
    /// speak 3.8 when the answer is 3.8.
    pub fn spoken(self) -> Option<Version> {
        match (self.major, self.minor) {
            (0..=2, _) | (3, 0..=2) => None,
            (3, 3..=6) => Some(Version::V3_3),
            (3, 7) => Some(Version::V3_7),
            _ => Some(Version::V3_8),
        }
    }
}

impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// The message that announces this version.
    pub fn message(self) -> &'static [u8; VERSION_LEN] {
        match self {
            Self::V3_3 => b"RFB 003.003\n",
            Self::V3_7 => b"RFB 003.007\n",
            Self::V3_8 => b"RFB 003.008\n",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_3 => "3.3",
            Self::V3_7 => "3.7",
            Self::V3_8 => "3.8",
        })
    }
}

/// Returns an excerpt of a peer's first bytes as soon as they differ from `"RFB "`. The check does
/// not wait for twelve bytes, because peers of other protocols often send a short greeting and then
/// wait for an answer.
pub(crate) fn foreign_greeting(pending: &[u8], input: &[u8]) -> Option<String> {
    let seen = pending.iter().chain(input);
    if seen.clone().zip(b"RFB ").all(|(seen, expected)| seen == expected) {
        return None;
    }
    let quoted: Vec<u8> = seen.copied().take(4 * MAX_EXCERPT).collect();
    Some(printable(&quoted, MAX_EXCERPT))
}

fn number(digits: [u8; 3]) -> Option<u16> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(message: &[u8; 12]) -> Option<Version> {
        Announced::parse(message).and_then(Announced::spoken)
    }

    #[test]
    fn published_versions_read_back_what_they_write() {
        for version in [Version::V3_3, Version::V3_7, Version::V3_8] {
            assert_eq!(spoken(version.message()), Some(version));
        }
    }

    #[test]
    fn odd_versions_map_to_a_published_one() {
        assert_eq!(spoken(b"RFB 003.005\n"), Some(Version::V3_3));
        assert_eq!(spoken(b"RFB 003.006\n"), Some(Version::V3_3));
        assert_eq!(spoken(b"RFB 003.889\n"), Some(Version::V3_8));
        assert_eq!(spoken(b"RFB 004.000\n"), Some(Version::V3_8));
        assert_eq!(spoken(b"RFB 005.000\n"), Some(Version::V3_8));
    }

    #[test]
    fn versions_below_3_3_are_not_supported() {
        assert_eq!(spoken(b"RFB 000.000\n"), None);
        assert_eq!(spoken(b"RFB 003.002\n"), None);
    }

    #[test]
    fn anything_else_is_not_a_version() {
        for message in
            [b"RFB 003.008\r", b"RFB 003,008\n", b"RFB  03.008\n", b"HTTP/1.1 400", b"rfb 003.008\n"]
        {
            assert_eq!(Announced::parse(message), None);
        }
    }
}
