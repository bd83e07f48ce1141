//! Why a folder, or a file in it, is not used. Each sentence names it and says what to do.

use std::io;
use std::path::PathBuf;

/// Why a folder, or a file in it, is not used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It belongs to another user.
    #[error(
        "{path} belongs to the user {owner}, and this program runs as {own}: what is in it could be somebody else's. \
         Name another folder (--data DIR), or make it this user's: chown -R {own} {path}",
        path = .path.display()
    )]
    NotOurs {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who this program is.
        own: u32,
    },
    /// Others can write to it.
    #[error(
        "{path} can be written to by others (mode {mode:04o}): what is in it could be theirs. \
         Look at what is in it, and then: chmod go-w {path}",
        path = .path.display()
    )]
    Writable {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A link stands in the place of a file.
    #[error(
        "{path} is a link, and a file of this program's own belongs there. \
         Remove the link, or move the file that it leads to into its place",
        path = .path.display()
    )]
    Link {
        /// Which.
        path: PathBuf,
    },
    /// Something else stands in the place of a file.
    #[error("{path} is not a file, and one of this program's own belongs there: move it away", path = .path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// Something else stands in the place of the folder.
    #[error("{path} is not a folder: name another one (--data DIR)", path = .path.display())]
    NotAFolder {
        /// Which.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("cannot {what} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl FolderError {
    /// Whether it may go by itself, as a full disk does: see [`passes`].
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Io { source, .. } if passes(source))
    }
}

/// Whether a fault of this machine may go by itself: a full disk, one that is read-only after an error, too many open files.
/// What a setting, a path or a mode causes stays until a person does something.
#[must_use]
pub fn passes(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    !matches!(
        error.kind(),
        Kind::NotFound
            | Kind::PermissionDenied
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::AlreadyExists
            | Kind::InvalidInput
            | Kind::InvalidData
            | Kind::InvalidFilename
            | Kind::FileTooLarge
            | Kind::Unsupported
    )
}
