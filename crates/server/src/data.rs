//! The data folder: master key, operator's token, database, node id. Everything in it is for its owner only.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use transom_model::id::NodeId;

use crate::app::random;
use crate::app::vault::MasterKey;

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder cannot be read or written.
    #[error("cannot {what} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {message}", path = .path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        message: &'static str,
    },
}

/// What operator commands read to reach the server on this machine.
#[derive(Clone, Serialize, Deserialize)]
pub struct Admin {
    /// The server's URL.
    pub server: String,
    /// The operator's token.
    pub token: String,
    /// The authority that its certificate must chain to, a PEM file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// A folder of our own.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Opens the folder; makes it where it is missing.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Io { what: "make the data folder", path: path.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The SQLite database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("transom.db")
    }

    /// Keeps a second server out for as long as the file is held.
    pub fn lock(&self) -> Result<fs::File, DataError> {
        let path = self.0.join("lock");
        let failed = |source| DataError::Io { what: "lock", path: path.clone(), source };
        let file = private(&path).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(DataError::Content {
                path: self.0.clone(),
                message: "another server uses this data folder",
            }),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// This node's id: made once.
    pub fn node(&self) -> Result<NodeId, DataError> {
        let path = self.0.join("node");
        let text = self.once(&path, || random::uuid().to_string())?;
        text.trim().parse().map_err(|_| DataError::Content { path, message: "does not hold a node id" })
    }

    /// Where the master key of this folder is, or would be.
    #[must_use]
    pub fn master_key_file(&self) -> PathBuf {
        self.0.join("master.key")
    }

    /// The master key of this folder: made once.
    pub fn master_key(&self) -> Result<MasterKey, DataError> {
        let path = self.master_key_file();
        let text = self.once(&path, || hex::encode(random::bytes::<32>()) + "\n")?;
        parse_master_key(&text, &path)
    }

    /// The operator's token; made at the first start.
    pub fn admin(&self, server: &str, ca: Option<&Path>) -> Result<Admin, DataError> {
        let path = self.0.join("admin.json");
        let token = match read_admin(&path) {
            Ok(admin) => admin.token,
            Err(DataError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                random::token().expose().to_owned()
            }
            Err(error) => return Err(error),
        };
        let admin = Admin { server: server.to_owned(), token, ca: ca.map(Path::to_owned) };
        let text = serde_json::to_string_pretty(&admin).unwrap_or_default() + "\n";
        replace(&path, text.as_bytes())?;
        Ok(admin)
    }

    fn once(&self, path: &Path, make: impl FnOnce() -> String) -> Result<String, DataError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = make();
                replace(path, text.as_bytes())?;
                Ok(text)
            }
            Err(source) => Err(DataError::Io { what: "read", path: path.to_owned(), source }),
        }
    }
}

/// Reads `admin.json`.
pub fn read_admin(path: &Path) -> Result<Admin, DataError> {
    let text =
        fs::read(path).map_err(|source| DataError::Io { what: "read", path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|_| DataError::Content {
        path: path.to_owned(),
        message: "is not what `transom serve` writes there",
    })
}

/// Reads a master key from a file that the operator keeps.
pub fn read_master_key(path: &Path) -> Result<MasterKey, DataError> {
    let text = fs::read_to_string(path).map_err(|source| DataError::Io {
        what: "read the master key",
        path: path.to_owned(),
        source,
    })?;
    parse_master_key(&text, path)
}

fn parse_master_key(text: &str, path: &Path) -> Result<MasterKey, DataError> {
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key).map_err(|_| DataError::Content {
        path: path.to_owned(),
        message: "a master key is 64 hexadecimal digits (openssl rand -hex 32)",
    })?;
    Ok(MasterKey::new(key))
}

fn private(path: &Path) -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    if path.exists() {
        // Narrow what somebody may have widened.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
    options
}

/// Writes a file whole or not at all, and not before it is on the disk.
fn replace(path: &Path, content: &[u8]) -> Result<(), DataError> {
    let failed = |source| DataError::Io { what: "write", path: path.to_owned(), source };
    let fresh = path.with_extension("new");
    let mut file = private(&fresh).open(&fresh).map_err(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_keeps_its_secrets_to_its_owner_and_over_starts() {
        let temp = tempfile::tempdir().expect("folder");
        let data = DataFolder::open(&temp.path().join("data")).expect("data");
        let first = data.admin("http://127.0.0.1:1", None).expect("admin");
        let again = data.admin("http://127.0.0.1:2", None).expect("admin");
        assert_eq!(first.token, again.token);
        assert_eq!(again.server, "http://127.0.0.1:2");
        assert_eq!(data.node().expect("node"), data.node().expect("node"));
        assert!(data.master_key().is_ok());
        for name in ["admin.json", "master.key", "node"] {
            let mode = fs::metadata(data.path().join(name)).expect("file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_second_server_is_kept_out() {
        let temp = tempfile::tempdir().expect("folder");
        let data = DataFolder::open(temp.path()).expect("data");
        let held = data.lock().expect("lock");
        assert!(data.lock().is_err());
        drop(held);
        assert!(data.lock().is_ok());
    }
}
