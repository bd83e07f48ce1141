//! Programs by their versions.

use std::fmt;
use std::str::FromStr;

/// What a migration's file says in front of the oldest program that may run on it.
const MARK: &str = "-- Oldest program: ";
/// Those of before the first release say nothing.
const FIRST: &str = "0.1.0";

/// A program's version, `MAJOR.MINOR.PATCH`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Program([u32; 3]);

impl Program {
    /// This one.
    pub(super) fn own() -> Self {
        // Cargo allows no other form.
        env!("CARGO_PKG_VERSION").parse().unwrap_or(Self([0; 3]))
    }
}

impl FromStr for Program {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        // What follows a hyphen is a build on the way to that version (SemVer 2.0.0 §9): it is taken for it.
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

/// The oldest program that may run on a schema with this migration.
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
    fn a_migration_says_it_in_a_line_of_its_own() {
        assert_eq!(oldest_of("-- What it is.\n-- Oldest program: 0.3.0\nALTER TABLE x;"), "0.3.0");
        assert_eq!(oldest_of("ALTER TABLE x;"), "0.1.0");
    }
}
