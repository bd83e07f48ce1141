//! The reasons for refusing a folder or a file in it. Each message names the path and a remedy.

use std::io;
use std::path::PathBuf;

/// A reason for refusing a folder or a file in it.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another user owns it.
    #[error(
        "{path} belongs to user {owner}, and this program runs as user {own}. \
         Choose another folder (--data DIR), or change its owner: chown -R {own} {path}",
        path = .path.display()
    )]
    NotOurs {
        /// The refused path.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
        /// This program's user id.
        own: u32,
    },
    /// Other users can write to it.
    #[error(
        "{path} is writable by other users (mode {mode:04o}), who could have changed it. \
         Check its contents, then run: chmod go-w {path}",
        path = .path.display()
    )]
    Writable {
        /// The refused path.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The path is a symbolic link instead of a file.
    #[error(
        "{path} is a symbolic link, and this program needs a regular file there. \
         Remove the link, or replace it with the file that it points to",
        path = .path.display()
    )]
    Link {
        /// The refused path.
        path: PathBuf,
    },
    /// The path is a folder, a device or a pipe instead of a file.
    #[error("{path} is not a file, and this program needs one there: move it away", path = .path.display())]
    NotAFile {
        /// The refused path.
        path: PathBuf,
    },
    /// The path is not a folder.
    #[error("{path} is not a folder: choose another one (--data DIR)", path = .path.display())]
    NotAFolder {
        /// The refused path.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot {what} {path}: {source}", path = .path.display())]
    Io {
        /// The operation, as a verb: "read", "open".
        what: &'static str,
        /// The path that it failed on.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

impl FolderError {
    /// Returns whether the failure may clear without intervention; see [`is_transient`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_transient(source))
    }
}

/// Returns whether a failure may clear without intervention: a full disk, a disk that is read-only
/// after an error, too many open files. A wrong setting, path or mode stays until a person corrects
/// it.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
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
