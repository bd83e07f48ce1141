//! A folder of a program's own, with its secrets: the server's data folder, a device's, a viewer's.
//!
//! A folder that belongs to somebody else, or that others can write to, is refused before anything in it is believed: its keys
//! and tokens could be theirs. So is a link in the place of a file, which would have this program write elsewhere. What this
//! program makes is for its owner alone, whatever the umask says.

mod error;
mod file;

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

pub use error::{FolderError, passes};
pub use file::{PRIVATE, PUBLIC};

/// Bits of a mode by which others than the owner may write.
const WRITABLE: u32 = 0o022;
/// The administrator.
const ROOT: u32 = 0;
/// For the owner alone.
const OWN: u32 = 0o700;

/// A folder that is this user's, and that nobody else can write to.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Opens the folder; makes it, for this user alone, where it is missing.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Io { what: "make the folder", path: path.to_owned(), source };
        if !path.exists() {
            DirBuilder::new().recursive(true).mode(OWN).create(path).map_err(failed)?;
            // A umask may have taken bits away that its owner needs.
            fs::set_permissions(path, Permissions::from_mode(OWN)).map_err(failed)?;
        }
        // The way there may lead over links of the administrator's: what counts is where it ends.
        let path = path.canonicalize().map_err(failed)?;
        let metadata = fs::symlink_metadata(&path).map_err(failed)?;
        if !metadata.is_dir() {
            return Err(FolderError::NotAFolder { path });
        }
        judge(&path, &metadata, false)?;
        Ok(Self(path))
    }

    /// Where it is, without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where a file of this name is, or would be.
    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Whether a file of this name is there. What is no file of this user's, and what others could have written, is refused.
    pub fn has(&self, name: &str) -> Result<bool, FolderError> {
        let path = self.at(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => {
                file::judge(&path, &metadata)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(FolderError::Io { what: "look at", path, source }),
        }
    }

    /// What a file of at most `limit` bytes holds; `None` where it is not there.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, FolderError> {
        let path = self.at(name);
        let failed = |source| FolderError::Io { what: "read", path: path.clone(), source };
        let Some(mut file) = file::existing(&path, false)? else { return Ok(None) };
        let mut bytes = Vec::new();
        (&mut file).take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
            Ok(Some(bytes))
        } else {
            Err(failed(io::ErrorKind::FileTooLarge.into()))
        }
    }

    /// Writes a file whole and to the disk, or not at all, over whatever is there.
    pub fn replace(&self, name: &str, content: &[u8], mode: u32) -> Result<(), FolderError> {
        self.write(name, content, mode, |fresh, path| fs::rename(fresh, path))
    }

    /// The same, but never over another one: `false` where there is one already.
    pub fn keep(&self, name: &str, content: &[u8], mode: u32) -> Result<bool, FolderError> {
        let mut first = true;
        self.write(name, content, mode, |fresh, path| {
            let linked = fs::hard_link(fresh, path);
            fs::remove_file(fresh)?;
            match linked {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    first = false;
                    Ok(())
                }
                linked => linked,
            }
        })?;
        Ok(first)
    }

    /// Puts one file in the place of another, where it is there.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FolderError> {
        let path = self.at(to);
        match fs::rename(self.at(from), &path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(FolderError::Io { what: "write", path, source })
            }
            _ => Ok(()),
        }
    }

    /// Has the disk know of files that were renamed.
    pub fn sync(&self) -> Result<(), FolderError> {
        let synced = File::open(&self.0).and_then(|folder| folder.sync_all());
        synced.map_err(|source| FolderError::Io { what: "write", path: self.0.clone(), source })
    }

    /// A file to write behind what it holds.
    pub fn append(&self, name: &str) -> Result<File, FolderError> {
        file::opened(&self.at(name), true)
    }

    /// Keeps others who ask for it out of the folder until it is dropped; `None` where somebody has it already. It needs no
    /// room on the disk and no right to write.
    pub fn hold(&self) -> Result<Option<File>, FolderError> {
        let failed = |source| FolderError::Io { what: "lock", path: self.0.clone(), source };
        let folder = File::open(&self.0).map_err(failed)?;
        match folder.try_lock() {
            Ok(()) => Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// A file to be locked.
    pub fn lock_file(&self, name: &str) -> Result<File, FolderError> {
        file::opened(&self.at(name), false)
    }

    fn write(
        &self,
        name: &str,
        content: &[u8],
        mode: u32,
        put: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), FolderError> {
        let path = self.at(name);
        // Several programs may share the folder.
        let fresh = self.at(&format!("{name}.{}.new", std::process::id()));
        let written = file::fresh(&fresh, content, mode).and_then(|()| put(&fresh, &path));
        written.map_err(|source| {
            // What has come of it takes room where there may be none.
            let _ = fs::remove_file(&fresh);
            FolderError::Io { what: "write", path, source }
        })?;
        self.sync()
    }
}

/// Opens a file of this user's that stands alone, such as the lock beside a socket, to write to it; makes it where it is
/// missing. The folder around it need not be this user's.
pub fn own_file(path: &Path) -> Result<File, FolderError> {
    file::opened(path, false)
}

/// Refuses a file that is neither this user's nor the administrator's, or that others can write to: what it says could be
/// theirs. The administrator may read anybody's.
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

/// Whether what is there is this user's, and nobody else can write to it. A file may be one that the administrator has put
/// there.
fn judge(path: &Path, metadata: &fs::Metadata, or_roots: bool) -> Result<(), FolderError> {
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

#[cfg(test)]
mod tests;
