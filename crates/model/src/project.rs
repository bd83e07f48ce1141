//! Projects: the tenants that own everything else.

use std::str::FromStr;

use crate::Timestamp;
use crate::id::{ParseIdError, ProjectId, text_id};
use std::fmt;

/// A project's name: 1 to 64 characters, without control characters, slashes, or a space at either
/// end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(String);
text_id!(ProjectName);

impl FromStr for ProjectName {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = |problem| ParseIdError { what: "project name", problem };
        if !(1..=64).contains(&text.chars().count()) {
            return Err(wrong("must be 1 to 64 characters"));
        }
        if text.trim() != text || text.chars().any(|c| c.is_control() || c == '/') {
            return Err(wrong("must not begin or end with a space, or contain / or control characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its unique name.
    pub name: ProjectName,
    /// The time of creation.
    pub created_at: Timestamp,
}
