//! Errors of the store. They contain no secrets.

use std::fmt;

use transom_model::id::InstanceId;

/// A result of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A row of an import that the present state forbids, and the reason.
pub type Refused = (InstanceId, &'static str);

/// The reason why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The request contradicts the present state. The text names the contradiction:
    /// `a project with this name already exists`.
    #[error("{0}")]
    Conflict(&'static str),
    /// An object that the change depends on does not exist. The text names it: `instance`.
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// The operation was rolled back because of these rows, or because it was a rehearsal.
    /// [`Store::import_instances`](crate::Store::import_instances) turns it into an answer.
    #[error("rows of the import are refused")]
    Undone(Vec<Refused>),
    /// The presented token or secret is no longer valid.
    #[error("the presented token or secret is no longer valid")]
    ProofGone,
    /// The database is unreachable, too slow, or failed. A change may or may not have happened.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// The database contains a value that this program cannot have written.
    #[error("the database contains an invalid value: {0}")]
    Corrupt(String),
    /// This program cannot use the database. The text is a sentence for the operator.
    #[error("{0}")]
    Unusable(String),
}

/// The database's message and code, without a statement's values and without the database's URL.
#[derive(Clone, Debug)]
pub struct Cause {
    pub(crate) text: String,
    /// True if the same operation may succeed when it runs again at once.
    pub(crate) transient: bool,
}

impl Cause {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), transient: false }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Cause {}

impl StoreError {
    /// Returns whether the same operation may succeed when it runs again at once.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(cause) if cause.transient)
    }
}
