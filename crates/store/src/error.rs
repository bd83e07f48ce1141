//! What can go wrong, without any secret in it.

use std::fmt;

/// An answer of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is asked for contradicts what there is; the text names it: `a project of this name exists`.
    #[error("{0}")]
    Conflict(&'static str),
    /// What the change builds on does not exist; the text names it: `instance`.
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// The token or the secret that was shown for this is worth nothing by now.
    #[error("what was shown for this is worth nothing by now")]
    ProofGone,
    /// The database cannot be reached, is too slow, or failed. A change may have happened or not.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] Cause),
    /// The database holds something that this program cannot have written.
    #[error("the database holds what it should not: {0}")]
    Corrupt(String),
    /// The database cannot be used by this program; a sentence for the operator.
    #[error("{0}")]
    Unusable(String),
}

/// What the database said: its message and code, never a statement's values and never the database's URL.
#[derive(Clone, Debug)]
pub struct Cause {
    pub(crate) text: String,
    /// The same operation may work at once when it runs again.
    pub(crate) passing: bool,
}

impl Cause {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), passing: false }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Cause {}

impl StoreError {
    /// Whether the same operation may work at once when it runs again.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(cause) if cause.passing)
    }
}
