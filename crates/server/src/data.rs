//! The data folder: master key, operator's token, database, node id. Only its owner may read it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use transom_folder::{self as folder, Folder, FolderError, PRIVATE};
use transom_model::id::NodeId;

use transom_app::random;
use transom_app::vault::MasterKey;

/// The reason why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another user could own the folder or a file in it, or the folder cannot be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file cannot be read.
    #[error("cannot {what} {path}: {source}", path = .path.display())]
    Io {
        /// The action that failed.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another server uses the folder.
    #[error("{path}: another server uses this data folder", path = .path.display())]
    Held {
        /// The folder.
        path: PathBuf,
    },
    /// A file has the wrong content.
    #[error("{path}: {message}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The fault.
        message: &'static str,
    },
}

/// The file by which operator commands reach the server on this machine.
#[derive(Clone, Serialize, Deserialize)]
pub struct Admin {
    /// The server's URL.
    pub server: String,
    /// The operator's token.
    pub token: String,
    /// The authority of the server's certificate, a PEM file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// The size limit of a file in bytes. A key is 64 digits, an id 36; `admin.json` also holds a URL
/// and a path.
const MAX_FILE: u64 = 64 * 1024;
const ADMIN: &str = "admin.json";
const MASTER_KEY: &str = "master.key";
const NODE: &str = "node";
const LOCK: &str = "lock";
const DATABASE: &str = "transom.db";
/// The files that SQLite opens beside [`DATABASE`].
const DATABASES_OWN: [&str; 3] = ["transom.db-wal", "transom.db-shm", "transom.db-journal"];

/// The data folder, locked against every other server.
#[derive(Debug)]
pub struct Lock {
    /// The file that holds the lock for as long as it is open.
    pub file: fs::File,
    /// True if the last server that held the lock ran in this very folder and since this machine's
    /// last start. It has ended, since the lock is free.
    pub continues: bool,
}

/// The server's data folder.
#[derive(Clone, Debug)]
pub struct DataFolder(Folder);

impl DataFolder {
    /// Opens the folder, and creates it if it is missing. Refuses a folder or a file that another
    /// user could own.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let folder = Folder::open(path)?;
        for name in [ADMIN, MASTER_KEY, NODE, LOCK, DATABASE].into_iter().chain(DATABASES_OWN) {
            folder.has(name)?;
        }
        Ok(Self(folder))
    }

    /// Returns the folder itself.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.0
    }

    /// Returns the path of the SQLite database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.at(DATABASE)
    }

    /// Locks the folder against a second server for as long as the lock lives.
    pub fn lock(&self) -> Result<Lock, DataError> {
        let failed = |source| DataError::Io { what: "lock", path: self.0.at(LOCK), source };
        let file = self.0.lock_file(LOCK)?;
        match file.try_lock() {
            Ok(()) => {
                let mark = mark(&file).map_err(failed)?;
                let mark = mark.unwrap_or_default().into_bytes();
                let before = self.0.read(LOCK, MAX_FILE)?;
                let continues = !mark.is_empty() && before.as_ref() == Some(&mark);
                if !continues {
                    // If the disk is full, the mark is missing at the next start, which then
                    // assumes nothing about the last server.
                    let _ = file.set_len(0).and_then(|()| (&file).write_all(&mark));
                }
                Ok(Lock { file, continues })
            }
            Err(fs::TryLockError::WouldBlock) => Err(DataError::Held { path: self.0.path().to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Returns this node's id, which is generated once.
    pub fn node(&self) -> Result<NodeId, DataError> {
        let text = self.once(NODE, || random::uuid().to_string())?;
        let path = self.0.at(NODE);
        text.trim().parse().map_err(|_| DataError::Content { path, message: "does not contain a node id" })
    }

    /// Sets another id for this node.
    pub fn set_node(&self, node: NodeId) -> Result<(), DataError> {
        Ok(self.0.replace(NODE, node.to_string().as_bytes(), PRIVATE)?)
    }

    /// Returns the path of this folder's master key.
    #[must_use]
    pub fn master_key_file(&self) -> PathBuf {
        self.0.at(MASTER_KEY)
    }

    /// Returns the master key of this folder, which is generated once.
    pub fn master_key(&self) -> Result<MasterKey, DataError> {
        let text = self.once(MASTER_KEY, || hex::encode(random::bytes::<32>()) + "\n")?;
        parse_master_key(&text, &self.master_key_file())
    }

    /// Writes `admin.json` and returns its content. The operator's token is generated at the first
    /// start.
    pub fn admin(&self, server: &str, ca: Option<&Path>) -> Result<Admin, DataError> {
        let token = match self.0.read(ADMIN, MAX_FILE)? {
            Some(text) => parse_admin(&text, &self.0.at(ADMIN))?.token,
            None => random::token().expose().to_owned(),
        };
        let admin = Admin { server: server.to_owned(), token, ca: ca.map(Path::to_owned) };
        let text = serde_json::to_string_pretty(&admin).unwrap_or_default() + "\n";
        self.0.replace(ADMIN, text.as_bytes(), PRIVATE)?;
        Ok(admin)
    }

    fn once(&self, name: &str, make: impl FnOnce() -> String) -> Result<String, DataError> {
        if self.0.read(name, MAX_FILE)?.is_none() {
            self.0.create(name, make().as_bytes(), PRIVATE)?;
        }
        let wrong = |message| DataError::Content { path: self.0.at(name), message };
        let bytes = self.0.read(name, MAX_FILE)?.ok_or_else(|| wrong("has disappeared"))?;
        String::from_utf8(bytes).map_err(|_| wrong("is not text"))
    }
}

/// Returns the path of the SQLite database in a data folder.
pub(crate) fn database_in(folder: &Path) -> PathBuf {
    folder.join(DATABASE)
}

/// Reads `admin.json` for an operator's command, which sends secrets to the server named there. The
/// command's user may differ from the server's, but no third user may have been able to write the
/// file.
pub fn read_admin(path: &Path) -> Result<Admin, DataError> {
    let text =
        fs::read(path).map_err(|source| DataError::Io { what: "read", path: path.to_owned(), source })?;
    folder::judge_foreign(path)?;
    parse_admin(&text, path)
}

fn parse_admin(text: &[u8], path: &Path) -> Result<Admin, DataError> {
    serde_json::from_slice(text).map_err(|_| DataError::Content {
        path: path.to_owned(),
        message: "is not what `transom serve` writes there",
    })
}

/// Reads a master key from a file that the operator named.
pub fn read_master_key(path: &Path) -> Result<MasterKey, DataError> {
    let text = fs::read_to_string(path).map_err(|source| DataError::Io {
        what: "read the master key",
        path: path.to_owned(),
        source,
    })?;
    parse_master_key(&text, path)
}

/// Returns a mark that changes when the folder is copied and when the machine restarts. `None` if
/// the system reveals no boot id.
fn mark(lock: &fs::File) -> io::Result<Option<String>> {
    let Ok(boot) = fs::read_to_string("/proc/sys/kernel/random/boot_id") else { return Ok(None) };
    let file = lock.metadata()?;
    Ok(Some(format!("{} {} {}\n", boot.trim(), file.dev(), file.ino())))
}

fn parse_master_key(text: &str, path: &Path) -> Result<MasterKey, DataError> {
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key).map_err(|_| DataError::Content {
        path: path.to_owned(),
        message: "a master key is 64 hexadecimal digits (openssl rand -hex 32)",
    })?;
    Ok(MasterKey::new(key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

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
            let mode = fs::metadata(data.folder().at(name)).expect("file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_second_server_is_kept_out() {
        let temp = tempfile::tempdir().expect("folder");
        let data = DataFolder::open(&temp.path().join("data")).expect("data");
        let held = data.lock().expect("lock");
        assert!(data.lock().is_err());
        drop(held);
        assert!(data.lock().is_ok());
    }
}
