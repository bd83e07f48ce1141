//! Checks of a path's owner and mode.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::error::FolderError;

/// The mode bits that let users other than the owner write.
const WRITABLE: u32 = 0o022;
/// The administrator's user id.
const ROOT: u32 = 0;

/// Refuses a file that an ordinary user other than this one owns or could have written. The
/// administrator may read any user's files.
pub fn judge_foreign(path: &Path) -> Result<(), FolderError> {
    let failed = |source| FolderError::Io { what: "look at", path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(failed)?;
    let own = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if mode & WRITABLE != 0 {
        return Err(FolderError::Writable { path: path.to_owned(), mode });
    }
    if own != ROOT && owner != own && owner != ROOT {
        return Err(FolderError::NotOurs { path: path.to_owned(), owner, own });
    }
    Ok(())
}

/// Checks that the path belongs to this user and that no other user can write to it. With
/// `or_roots`, the administrator may own it instead.
pub(crate) fn judge(path: &Path, metadata: &fs::Metadata, or_roots: bool) -> Result<(), FolderError> {
    let own = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != own && !(or_roots && owner == ROOT) {
        return Err(FolderError::NotOurs { path: path.to_owned(), owner, own });
    }
    if mode & WRITABLE != 0 {
        return Err(FolderError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}
