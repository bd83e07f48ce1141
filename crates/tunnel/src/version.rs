//! Versions of the protocol: the server offers a range, and the peer takes the newest one that both speak.
//!
//! Most of what is new needs no new version: types and fields that a reader does not know are skipped. A version rises where
//! an old reader would misunderstand.

use std::fmt;

/// A range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest one.
    pub oldest: u8,
    /// The newest one.
    pub newest: u8,
}

impl Versions {
    /// What this program speaks.
    pub const OURS: Self = Self { oldest: 1, newest: 1 };

    /// The newest version that both speak.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u8> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }

    /// Whether it holds this one.
    #[must_use]
    pub fn hold(self, version: u8) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { oldest, newest } = self;
        if oldest == newest {
            write!(f, "version {oldest}")
        } else {
            write!(f, "versions {oldest} to {newest}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sides_speak_the_newest_version_that_both_know() {
        let range = |oldest, newest| Versions { oldest, newest };
        for (one, other, common) in [
            (range(1, 1), range(1, 1), Some(1)),
            (range(1, 3), range(2, 5), Some(3)),
            (range(4, 5), range(1, 4), Some(4)),
            (range(1, 1), range(2, 2), None),
            // Nobody offers this, and it holds none.
            (range(3, 1), range(1, 3), None),
        ] {
            assert_eq!(one.common(other), common, "{one} {other}");
            assert_eq!(other.common(one), common, "{other} {one}");
            assert!(common.is_none_or(|common| one.hold(common) && other.hold(common)));
        }
        assert_eq!(range(1, 1).to_string(), "version 1");
        assert_eq!(range(1, 3).to_string(), "versions 1 to 3");
    }
}
