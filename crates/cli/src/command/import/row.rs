//! Rows of a list of instances, with their positions in the file.

use serde_json::{Map, Value};

/// A row as the server reads it, and its positions.
#[derive(Debug)]
pub(in crate::command) struct Row {
    pub(in crate::command) body: Map<String, Value>,
    /// The position of the row.
    pub(super) start: Spot,
    /// The position of each member.
    pub(super) members: Vec<(String, Spot)>,
}

impl Row {
    /// Returns the position of a member, or of the row if it lacks that member.
    pub(super) fn spot(&self, member: Option<&str>) -> Spot {
        let found = self.members.iter().find(|(name, _)| Some(name.as_str()) == member);
        found.map_or(self.start, |(_, spot)| *spot)
    }

    /// Returns the id, if it is a text.
    pub(super) fn id(&self) -> Option<&str> {
        self.body.get("id").and_then(Value::as_str)
    }
}

/// A position in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The byte.
    pub(super) at: usize,
    /// The column of a table. `None` if columns count characters.
    pub(super) column: Option<usize>,
}

impl Spot {
    /// Returns the number of the line. The first one has the number 1.
    pub(super) fn line(self, text: &str) -> usize {
        1 + before(text, self.at).matches('\n').count()
    }

    /// Returns the position for people: `line 4, column 2`.
    pub(super) fn place(self, text: &str) -> String {
        let column = self.column.unwrap_or_else(|| {
            let before = before(text, self.at);
            let line = before.rsplit('\n').next().unwrap_or_default();
            line.chars().count() + 1
        });
        format!("line {}, column {column}", self.line(text))
    }
}

/// Returns the text before a byte.
fn before(text: &str, at: usize) -> &str {
    text.get(..at).unwrap_or(text)
}

/// An error in the file.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) spot: Spot,
    pub(super) problem: String,
}
