//! Paging: a piece of a list.

/// A piece of a list, asked for by the key of the last item of the piece before.
///
/// Lists are ordered by a key that never changes, so a page never skips or repeats what was there before and after.
/// The key is the item's own id as text (a project's name for projects). Projects, keys and instances rise by it;
/// grants and sessions fall by it, so that the newest come first (their ids are UUIDv7, which rise with time).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
}

impl Page {
    /// The most items one page holds; a higher limit is cut to this.
    pub const MAX: u32 = 1000;

    /// The first items.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit: limit.min(Self::MAX) }
    }

    /// The items that follow this one, named by its id (a project: by its name).
    #[must_use]
    pub fn after(last: impl ToString, limit: u32) -> Self {
        Self { after: Some(last.to_string()), limit: limit.min(Self::MAX) }
    }
}
