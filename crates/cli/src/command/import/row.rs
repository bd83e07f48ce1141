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
    /// Returns the position for people: `line 4, column 2`.
    pub(super) fn place(self, text: &str) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        let line = 1 + before.matches('\n').count();
        let column = self.column.unwrap_or_else(|| {
            let line = before.rsplit('\n').next().unwrap_or_default();
            line.chars().count() + 1
        });
        format!("line {line}, column {column}")
    }
}

/// An error in the file.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) spot: Spot,
    pub(super) problem: String,
}
