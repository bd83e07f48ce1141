//! Paging: a section of a list.

/// A section of a list, requested by the key of the previous section's last item.
///
/// Lists are ordered by an immutable key, so no page skips or repeats an item that exists
/// throughout. The key is the item's id as text, or a project's name. Projects, keys and instances
/// are in ascending order. Grants and sessions are in descending order, so that the newest come
/// first: their ids are UUIDv7, which increase with time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
}

impl Page {
    /// The maximum number of items on a page. A higher limit is reduced to it.
    pub const MAX: u32 = 1000;

    /// Requests the first items.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit: limit.min(Self::MAX) }
    }

    /// Requests the items after this one, which is named by its id, or by its name if it is a
    /// project.
    #[must_use]
    pub fn after(last: impl ToString, limit: u32) -> Self {
        Self { after: Some(last.to_string()), limit: limit.min(Self::MAX) }
    }
}
