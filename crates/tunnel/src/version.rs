//! Versions of the protocol: the server offers a range, and the peer picks the newest version that
//! both speak.
//!
//! Most additions need no new version: a reader skips types and fields that it does not know. A
//! change gets a new version if an old reader would misunderstand it.

use std::fmt;

/// A range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest version.
    pub oldest: u8,
    /// The newest version.
    pub newest: u8,
}

impl Versions {
    /// The versions that this program speaks.
    pub const OURS: Self = Self { oldest: 1, newest: 1 };

    /// The newest version that both ranges contain, or `None` if there is none.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u8> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }

    /// Returns whether the range contains this version.
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
            // No program offers this range, which contains no version.
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
