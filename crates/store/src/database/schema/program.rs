//! Program versions.

use std::fmt;
use std::str::FromStr;

/// The prefix of the line in a migration that names the oldest program able to run on it.
const MARK: &str = "-- Oldest program: ";
/// The oldest program of migrations from before the first release, which lack that line.
const FIRST: &str = "0.1.0";

/// A program version, `MAJOR.MINOR.PATCH`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Program([u32; 3]);

impl Program {
    /// This program's version.
    pub(super) fn own() -> Self {
        // Cargo permits no other form.
        env!("CARGO_PKG_VERSION").parse().unwrap_or(Self([0; 3]))
    }
}

impl FromStr for Program {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        // The part after a hyphen marks a pre-release (SemVer 2.0.0 §9). It counts as the release
        // itself.
        let (numbers, _) = text.split_once(['-', '+']).unwrap_or((text, ""));
        let mut parts = numbers.split('.').map(|part| part.parse::<u32>().ok());
        let [Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None] =
            [parts.next(), parts.next(), parts.next(), parts.next()]
        else {
            return Err(());
        };
        Ok(Self([major, minor, patch]))
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Returns the oldest program that can run on a schema with this migration.
pub(super) fn oldest_of(sql: &str) -> &str {
    sql.lines().find_map(|line| line.strip_prefix(MARK)).map_or(FIRST, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let program = |text: &str| text.parse::<Program>();
        assert!(program("0.10.0") > program("0.9.9"));
        assert_eq!(program("1.2.3-rc.1"), program("1.2.3"));
        for bad in ["", "1", "1.2", "1.2.3.4", "v1.2.3", "1.x.3"] {
            assert_eq!(program(bad), Err(()), "{bad}");
        }
        assert_eq!(Program::own().to_string(), env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn a_migration_names_its_oldest_program_on_a_line_of_its_own() {
        assert_eq!(oldest_of("-- What it is.\n-- Oldest program: 0.3.0\nALTER TABLE x;"), "0.3.0");
        assert_eq!(oldest_of("ALTER TABLE x;"), "0.1.0");
    }
}
