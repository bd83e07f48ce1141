//! One file: made for its owner, and opened only where it is a file of this user's.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::FolderError;

/// The mode of a file that holds a secret.
pub const PRIVATE: u32 = 0o600;
/// The mode of a file that is to be handed out, such as a certificate.
pub const PUBLIC: u32 = 0o644;
/// Bits of a mode by which others than the owner may read or write.
const OTHERS: u32 = 0o077;

/// A link is not followed, nor is waited for whoever opens a pipe's other end.
fn no_follow() -> i32 {
    // The flags of the system's own calls are of that type.
    (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed()
}

/// Whether what is there is a file of this user's that nobody else can write to.
pub(crate) fn judge(path: &Path, metadata: &Metadata) -> Result<(), FolderError> {
    if metadata.is_symlink() {
        return Err(FolderError::Link { path: path.to_owned() });
    }
    if !metadata.is_file() {
        return Err(FolderError::NotAFile { path: path.to_owned() });
    }
    crate::judge(path, metadata, true)
}

/// A file that is there, to read or to write; `None` where it is not.
pub(crate) fn existing(path: &Path, write: bool) -> Result<Option<File>, FolderError> {
    let failed = |source| FolderError::Io { what: "open", path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
        // Before it is opened: a pipe or a device would do something by that alone.
        Ok(metadata) => judge(path, &metadata)?,
    }
    let mut options = OpenOptions::new();
    options.read(true).write(write).custom_flags(no_follow());
    let file = options.open(path).map_err(failed)?;
    // What was opened, which is what counts.
    judge(path, &file.metadata().map_err(failed)?)?;
    Ok(Some(file))
}

/// A file to write to, which is made where it is missing; what others could read of a secret is taken from them.
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

/// Makes a file that was not there, with all that it is to hold. One that a crash has left under this name goes.
pub(crate) fn fresh(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).custom_flags(no_follow()).open(path)?;
    // A umask may have taken bits away.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}
