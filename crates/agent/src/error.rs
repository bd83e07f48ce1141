//! The errors of this crate: a program that cannot start, and a server that cannot be reached.

use transom_folder::FolderError;
use transom_tunnel::{Refusal, RefusalCode};

/// The reason why an agent or a connector cannot start: a wrong setting, or a fault of this
/// machine.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct SetupError {
    sentence: String,
    passes: bool,
}

impl SetupError {
    /// A wrong setting.
    pub(crate) fn new(sentence: impl std::fmt::Display) -> Self {
        Self { sentence: sentence.to_string(), passes: false }
    }

    /// A fault of this machine that may pass.
    pub(crate) fn passing(sentence: impl std::fmt::Display) -> Self {
        Self { passes: true, ..Self::new(sentence) }
    }

    /// Returns whether a later start may succeed. The cause may pass, as a full disk does, and the
    /// person who repairs the machine may not know of this program. A wrong setting does not pass.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.passes
    }
}

impl From<FolderError> for SetupError {
    fn from(error: FolderError) -> Self {
        Self::passing(error)
    }
}

/// The refusal for a connection that failed or was lost.
pub(crate) fn unreachable(why: impl std::fmt::Display) -> Refusal {
    Refusal::from(RefusalCode::CloudConnectivityError).because(why.to_string())
}
