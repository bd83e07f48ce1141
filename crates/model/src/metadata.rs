//! Metadata: key-value items that a project stores with an instance, for its own programs. Transom
//! does not interpret them.

use std::collections::BTreeMap;

/// Items by key. Every key and value is well-formed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

/// The malformed part of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The key.
    #[error("a key must be 1 to 255 ASCII letters, digits, blanks and characters of -_:.")]
    Key,
    /// The value.
    #[error("a value must be at most 255 characters")]
    Value,
}

impl Metadata {
    /// The maximum number of items of an instance. It is Nova's default quota.
    pub const ITEMS: usize = 128;
    /// The maximum number of characters in a key or a value.
    pub const LENGTH: usize = 255;

    /// Returns whether a text is a valid key.
    #[must_use]
    pub fn takes_key(key: &str) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_:. ".contains(c);
        (1..=Self::LENGTH).contains(&key.len()) && key.chars().all(fits)
    }

    /// Adds an item, or replaces the one of the same key.
    pub fn note(&mut self, key: &str, value: &str) -> Result<(), Unfit> {
        if !Self::takes_key(key) {
            return Err(Unfit::Key);
        }
        if value.chars().count() > Self::LENGTH {
            return Err(Unfit::Value);
        }
        self.0.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// Adds these items, and replaces those of the same keys.
    pub fn extend(&mut self, notes: Self) {
        self.0.extend(notes.0);
    }

    /// Removes an item. Returns false if the key does not exist.
    pub fn remove(&mut self, key: &str) -> bool {
        self.0.remove(key).is_some()
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_a_plain_key_and_a_value_of_limited_length() {
        let note = |key: &str, value: &str| Metadata::default().note(key, value);
        for key in ["a", "Role-1_x:y.z a", &"k".repeat(255)] {
            assert_eq!(note(key, &"ä".repeat(255)), Ok(()), "{key}");
        }
        for key in ["", "ä", "a/b", "a\n", "a\u{202e}b", &"k".repeat(256)] {
            assert_eq!(note(key, "v"), Err(Unfit::Key), "{key:?}");
        }
        assert_eq!(note("a", &"v".repeat(256)), Err(Unfit::Value));
    }

    #[test]
    fn notes_replace_those_of_the_same_key() {
        let mut notes = Metadata::default();
        notes.note("a", "1").expect("a note");
        notes.note("b", "2").expect("a note");
        let mut more = Metadata::default();
        more.note("b", "3").expect("a note");
        notes.extend(more);
        assert_eq!((notes.get("a"), notes.get("b"), notes.len()), (Some("1"), Some("3"), 2));
        assert!(notes.remove("a") && !notes.remove("a"));
        assert_eq!(notes.keys().collect::<Vec<_>>(), ["b"]);
    }
}
