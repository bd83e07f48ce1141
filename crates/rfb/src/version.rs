//! ProtocolVersion: `"RFB xxx.yyy\n"`, twelve bytes each way (RFC 6143 §7.1.1).

use std::fmt;

use crate::limits::MAX_EXCERPT;
use crate::printable::printable;

/// Length of a ProtocolVersion message.
pub const VERSION_LEN: usize = 12;

/// The three published versions; anything else a peer says is spoken to as one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 3.3: the server dictates the security type.
    V3_3,
    /// 3.7: the server lists security types, the client chooses.
    V3_7,
    /// 3.8: as 3.7, and every security type ends in a SecurityResult with a reason.
    V3_8,
}

/// What a well-formed ProtocolVersion message announced, before it is mapped to a published version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// The digits before the dot.
    pub major: u16,
    /// The digits behind the dot.
    pub minor: u16,
}

impl Announced {
    /// Reads `"RFB xxx.yyy\n"`; `None` if these bytes are anything else.
    pub fn parse(message: &[u8; VERSION_LEN]) -> Option<Self> {
        let [b'R', b'F', b'B', b' ', a, b, c, b'.', x, y, z, b'\n'] = message else { return None };
        Some(Self { major: number([*a, *b, *c])?, minor: number([*x, *y, *z])? })
    }

    /// The published version to speak with a peer that announced this, or `None` below 3.3.
    ///
    /// RFC 6143 §7.1.1: other numbers between are 3.3 (some peers say 3.5; UltraVNC 3.4 and 3.6). Apple says 3.889, Intel
    /// AMT 4.0, RealVNC 4.1 and 5.0: they all speak 3.8 when answered so.
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

/// What a peer says in place of `"RFB "`, once its bytes differ; other protocols often wait for us behind a short greeting.
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
    fn odd_versions_are_spoken_to_as_a_published_one() {
        assert_eq!(spoken(b"RFB 003.005\n"), Some(Version::V3_3));
        assert_eq!(spoken(b"RFB 003.006\n"), Some(Version::V3_3));
        assert_eq!(spoken(b"RFB 003.889\n"), Some(Version::V3_8));
        assert_eq!(spoken(b"RFB 004.000\n"), Some(Version::V3_8));
        assert_eq!(spoken(b"RFB 005.000\n"), Some(Version::V3_8));
    }

    #[test]
    fn repeaters_and_prehistory_are_not_spoken_to() {
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
