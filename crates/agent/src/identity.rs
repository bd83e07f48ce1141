//! The identity of this end: its key, made at first use, and the keys of the ends that it has met.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use transom_folder::{Folder, FolderError, PRIVATE};
use transom_tunnel::{EndpointKey, PublicKey};

use crate::SetupError;

const KEY: &str = "endpoint.key";
const KNOWN: &str = "known-keys";
const LOCK: &str = "lock";
/// A key file is 83 bytes.
const MAX_KEY: u64 = 4 * 1024;
/// A line of known keys is 165 bytes.
const MAX_KNOWN: u64 = 4 * 1024 * 1024;

/// A folder with this end's key (`endpoint.key`, 0600) and the keys that it knows (`known-keys`: address, key).
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<EndpointKey>,
    known: Arc<KnownKeys>,
}

#[derive(Debug)]
struct KnownKeys {
    folder: Folder,
    path: PathBuf,
    lock: Mutex<()>,
}

/// Whether a key is the one that its holder had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// It is.
    Known,
    /// It was never seen before, and is kept from now on.
    New,
    /// It had this one before.
    Changed(PublicKey),
}

impl Identity {
    /// Opens the folder; makes it, and a key, where there is none. Several programs of one user may share it. A folder or a
    /// file that could be somebody else's is refused.
    pub fn open(folder: &Path) -> Result<Self, SetupError> {
        let folder = Folder::open(folder).map_err(SetupError::new)?;
        folder.has(KNOWN).map_err(SetupError::new)?;
        let bytes = key_in(&folder).map_err(SetupError::new)?;
        let path = folder.at(KNOWN);
        let wrong = |error| SetupError::new(format_args!("{}: {error}", folder.at(KEY).display()));
        let key = EndpointKey::from_pkcs8(&bytes).map_err(wrong)?;
        let known = KnownKeys { folder, path, lock: Mutex::new(()) };
        Ok(Self { key: Arc::new(key), known: Arc::new(known) })
    }

    /// What others know this end by.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Where the keys of others are kept.
    #[must_use]
    pub fn known_keys(&self) -> &Path {
        &self.known.path
    }

    pub(crate) fn key(&self) -> &EndpointKey {
        &self.key
    }

    /// The key that this peer had before.
    pub(crate) fn known(&self, peer: &str) -> io::Result<Option<PublicKey>> {
        self.known.key_of(peer)
    }

    /// Compares a key with the one that this peer had before, where it had one.
    fn recall(&self, peer: &str, shown: PublicKey) -> io::Result<Option<Acquaintance>> {
        let compare =
            |before| if before == shown { Acquaintance::Known } else { Acquaintance::Changed(before) };
        Ok(self.known.key_of(peer)?.map(compare))
    }

    /// Compares a key with the one that this peer had before; keeps the first one.
    pub fn meet(&self, peer: &str, shown: PublicKey) -> io::Result<Acquaintance> {
        let known = &self.known;
        // Tasks of this program, and then programs, one at a time.
        let (_task, _program) = (known.lock.lock(), lock(&known.folder)?);
        if let Some(met) = self.recall(peer, shown)? {
            return Ok(met);
        }
        let mut file = known.folder.append(KNOWN).map_err(io::Error::other)?;
        file.write_all(format!("{peer} {shown}\n").as_bytes())?;
        Ok(Acquaintance::New)
    }
}

/// The key that is kept there; a new one where there is none, unless another program is first.
fn key_in(folder: &Folder) -> Result<Vec<u8>, FolderError> {
    if let Some(bytes) = folder.read(KEY, MAX_KEY)? {
        return Ok(bytes);
    }
    let failed = |source| FolderError::Io { what: "make the key", path: folder.at(KEY), source };
    let _lock = lock(folder).map_err(failed)?;
    if let Some(bytes) = folder.read(KEY, MAX_KEY)? {
        return Ok(bytes);
    }
    let key = EndpointKey::generate().map_err(|error| failed(io::Error::other(error)))?;
    folder.replace(KEY, key.pkcs8(), PRIVATE)?;
    Ok(key.pkcs8().to_vec())
}

/// Keeps other programs out of the folder until it is dropped.
fn lock(folder: &Folder) -> io::Result<File> {
    let file = folder.lock_file(LOCK).map_err(io::Error::other)?;
    file.lock()?;
    Ok(file)
}

impl KnownKeys {
    fn key_of(&self, peer: &str) -> io::Result<Option<PublicKey>> {
        let text = self.read()?;
        let entry = text.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == peer);
        entry.map(|(_, key)| key.trim().parse().map_err(io::Error::other)).transpose()
    }

    fn read(&self) -> io::Result<String> {
        let text = self.folder.read(KNOWN, MAX_KNOWN).map_err(io::Error::other)?;
        String::from_utf8(text.unwrap_or_default()).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    /// A folder that a umask of others' makes no wider.
    fn private() -> tempfile::TempDir {
        let mode = PermissionsExt::from_mode(0o700);
        tempfile::Builder::new().permissions(mode).tempdir().expect("a folder")
    }

    #[test]
    fn a_key_is_made_once_and_the_first_key_of_a_peer_is_kept() {
        let folder = private();
        let folder = folder.path().join("state");
        let identity = Identity::open(&folder).expect("identity");
        let again = Identity::open(&folder).expect("again");
        assert_eq!(identity.public(), again.public());
        let [first, second] = [b"1", b"2"].map(|spki| PublicKey::of(spki));
        assert_eq!(identity.meet("peer", first).expect("meet"), Acquaintance::New);
        assert_eq!(again.meet("peer", first).expect("meet"), Acquaintance::Known);
        assert_eq!(again.meet("peer", second).expect("meet"), Acquaintance::Changed(first));
        assert_eq!(again.meet("other", second).expect("meet"), Acquaintance::New);
    }

    #[test]
    fn those_who_share_a_folder_agree_on_its_key_and_on_a_peers_first_one() {
        const AT_ONCE: u8 = 8;
        for _ in 0..20 {
            let folder = private();
            let start = Barrier::new(AT_ONCE.into());
            let met: Vec<_> = thread::scope(|scope| {
                let at_once = (0..AT_ONCE).map(|own| {
                    let (folder, start) = (folder.path(), &start);
                    scope.spawn(move || {
                        start.wait();
                        // As programs of their own: nothing is shared but the folder.
                        let identity = Identity::open(folder).expect("identity");
                        let met = identity.meet("peer", PublicKey::of(&[own])).expect("meet");
                        (identity.public(), met)
                    })
                });
                let at_once: Vec<_> = at_once.collect();
                at_once.into_iter().map(|one| one.join().expect("it ran")).collect()
            });
            assert!(met.iter().all(|(key, _)| *key == met[0].0));
            assert_eq!(met.iter().filter(|(_, met)| *met == Acquaintance::New).count(), 1);
        }
    }
}
