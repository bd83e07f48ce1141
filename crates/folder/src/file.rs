//! Creation of owner-only files, and access to files that belong to this user.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::FolderError;
use crate::owner;

/// The mode of a file that holds a secret.
pub const PRIVATE: u32 = 0o600;
/// The mode of a file that others may read, such as a certificate.
pub const PUBLIC: u32 = 0o644;
/// The mode bits that let users other than the owner read or write.
const OTHERS: u32 = 0o077;

/// The open flags that refuse a symbolic link and do not block on a pipe's other end.
fn no_follow() -> i32 {
    // `custom_flags` takes an `i32`.
    (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed()
}

/// Checks that the path is a file that only this user, or the administrator, can write to.
pub(crate) fn judge(path: &Path, metadata: &Metadata) -> Result<(), FolderError> {
    if metadata.is_symlink() {
        return Err(FolderError::Link { path: path.to_owned() });
    }
    if !metadata.is_file() {
        return Err(FolderError::NotAFile { path: path.to_owned() });
    }
    owner::judge(path, metadata, true)
}

/// Opens an existing file to read or to write. Returns `None` when there is no such file.
pub(crate) fn existing(path: &Path, write: bool) -> Result<Option<File>, FolderError> {
    let failed = |source| FolderError::Io { what: "open", path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
        // The check precedes the open because opening a pipe or a device has effects.
        Ok(metadata) => judge(path, &metadata)?,
    }
    let mut options = OpenOptions::new();
    options.read(true).write(write).custom_flags(no_follow());
    let file = options.open(path).map_err(failed)?;
    // The path may have changed since the first check, so the opened file decides.
    judge(path, &file.metadata().map_err(failed)?)?;
    Ok(Some(file))
}

/// Opens a file for writing and creates it when missing. Removes other users' access to it.
pub(crate) fn opened(path: &Path, append: bool) -> Result<File, FolderError> {
    let failed = |source| FolderError::Io { what: "open", path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(!append).append(append).create_new(true).mode(PRIVATE).custom_flags(no_follow());
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map_err(failed),
    }
    match fs::symlink_metadata(path) {
        Ok(metadata) => judge(path, &metadata)?,
        Err(source) => return Err(failed(source)),
    }
    let mut options = OpenOptions::new();
    options.write(!append).append(append).custom_flags(no_follow());
    let file = options.open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    judge(path, &metadata)?;
    if metadata.mode() & OTHERS != 0 {
        file.set_permissions(Permissions::from_mode(PRIVATE)).map_err(failed)?;
    }
    Ok(file)
}

/// Creates a file with its whole content. Removes a file of this name left by a crash.
pub(crate) fn fresh(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).custom_flags(no_follow()).open(path)?;
    // The umask may have cleared some bits.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}
