//! A program's private folder: the server's data folder, a device's or a viewer's.
//!
//! A folder that another user owns or can write to is refused before anything in it is read,
//! because that user could have planted its keys and tokens. A symbolic link in place of a file is
//! refused too: the program would write to the link's target. Files and folders created here are
//! accessible to their owner only, whatever the umask is.

mod error;
mod file;
mod owner;

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

pub use error::{FolderError, is_transient};
pub use file::{PRIVATE, PUBLIC};
pub use owner::judge_foreign;

/// The mode of a folder that only its owner can access.
const OWN: u32 = 0o700;

/// A folder that belongs to this user and that no other user can write to.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Opens the folder. Creates it with owner-only access when it is missing.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Io { what: "make the folder", path: path.to_owned(), source };
        if !path.exists() {
            DirBuilder::new().recursive(true).mode(OWN).create(path).map_err(failed)?;
            // The umask may have cleared bits that the owner needs.
            fs::set_permissions(path, Permissions::from_mode(OWN)).map_err(failed)?;
        }
        // The path may contain the administrator's links; the checks apply to the folder they lead
        // to.
        let path = path.canonicalize().map_err(failed)?;
        let metadata = fs::symlink_metadata(&path).map_err(failed)?;
        if !metadata.is_dir() {
            return Err(FolderError::NotAFolder { path });
        }
        owner::judge(&path, &metadata, false)?;
        Ok(Self(path))
    }

    /// The folder's path with links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file of this name, which need not exist.
    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Returns whether a file of this name exists. Refuses one that another user could have
    /// written.
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

    /// Reads a file of at most `limit` bytes. Returns `None` when there is no such file.
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

    /// Replaces a file atomically and flushes it to the disk.
    pub fn replace(&self, name: &str, content: &[u8], mode: u32) -> Result<(), FolderError> {
        self.write(name, content, mode, |fresh, path| fs::rename(fresh, path))
    }

    /// Creates a file atomically, but never replaces one. Returns `false` when the file exists.
    pub fn create(&self, name: &str, content: &[u8], mode: u32) -> Result<bool, FolderError> {
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

    /// Renames a file over another. Does nothing when `from` does not exist.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FolderError> {
        let path = self.at(to);
        match fs::rename(self.at(from), &path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(FolderError::Io { what: "write", path, source })
            }
            _ => Ok(()),
        }
    }

    /// Flushes renames in this folder to the disk.
    pub fn sync(&self) -> Result<(), FolderError> {
        let synced = File::open(&self.0).and_then(|folder| folder.sync_all());
        synced.map_err(|source| FolderError::Io { what: "write", path: self.0.clone(), source })
    }

    /// Opens a file to append to.
    pub fn append(&self, name: &str) -> Result<File, FolderError> {
        file::opened(&self.at(name), true)
    }

    /// Locks the folder until the returned file is dropped. Returns `None` when another process
    /// holds the lock. It needs neither free disk space nor the right to write.
    pub fn lock(&self) -> Result<Option<File>, FolderError> {
        let failed = |source| FolderError::Io { what: "lock", path: self.0.clone(), source };
        let folder = File::open(&self.0).map_err(failed)?;
        match folder.try_lock() {
            Ok(()) => Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Opens a file that serves as a lock.
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
            // A partial file takes space on a disk that may be full.
            let _ = fs::remove_file(&fresh);
            FolderError::Io { what: "write", path, source }
        })?;
        self.sync()
    }
}

/// Opens a file outside a private folder for writing, such as the lock beside a socket. Creates it
/// when missing. The surrounding folder may belong to another user.
pub fn own_file(path: &Path) -> Result<File, FolderError> {
    file::opened(path, false)
}

#[cfg(test)]
mod tests;
