//! The identity of this end: its key, made at first use, and the keys of the ends that it has met.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use transom_folder::{Folder, FolderError, PRIVATE};
use transom_tunnel::{EndpointKey, PublicKey};

use crate::error::SetupError;

const KEY: &str = "endpoint.key";
const KNOWN: &str = "known-keys";
const LOCK: &str = "lock";
/// The longest key file; a usual one has 83 bytes.
const MAX_KEY: u64 = 4 * 1024;
/// The longest file of known keys; each line has 165 bytes.
const MAX_KNOWN: u64 = 4 * 1024 * 1024;
/// The most keys that wait to be stored; a device has some dozens of viewers.
const MOST_UNSAVED: usize = 1024;

/// A folder with this end's key (`endpoint.key`, 0600) and the keys that it knows (`known-keys`:
/// address, key).
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<EndpointKey>,
    known: Arc<KnownKeys>,
}

#[derive(Debug)]
struct KnownKeys {
    folder: Folder,
    path: PathBuf,
    /// Keys that could not be stored. They hold until they are stored, or until this program ends.
    unsaved: Mutex<HashMap<String, Unsaved>>,
}

/// A key that could not be stored.
#[derive(Clone, Copy, Debug)]
struct Unsaved {
    key: PublicKey,
    /// True if it replaces the stored key of the same peer.
    replaces: bool,
}

/// The result of a comparison between a key and the one that its holder showed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// The key is the same.
    Known,
    /// The peer had no key before, and this one is now stored.
    New,
    /// The peer had no key before, and this one could not be stored, for this reason. It is known
    /// until this program ends, and is stored as soon as that is possible.
    Unsaved(io::ErrorKind),
    /// The peer had this key before.
    Changed(PublicKey),
}

impl Identity {
    /// Opens the folder. If they do not exist, creates the folder and a key. Several programs of
    /// one user may share it. A folder or file that could belong to another user is refused.
    pub fn open(folder: &Path) -> Result<Self, SetupError> {
        let folder = Folder::open(folder)?;
        folder.has(KNOWN)?;
        let bytes = key_in(&folder)?;
        let path = folder.at(KNOWN);
        let wrong = |error| SetupError::new(format_args!("{}: {error}", folder.at(KEY).display()));
        let key = EndpointKey::from_pkcs8(&bytes).map_err(wrong)?;
        let known = KnownKeys { folder, path, unsaved: Mutex::default() };
        Ok(Self { key: Arc::new(key), known: Arc::new(known) })
    }

    /// The public half of this end's key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The path of the file with the known keys.
    #[must_use]
    pub fn known_keys(&self) -> &Path {
        &self.known.path
    }

    pub(crate) fn key(&self) -> &EndpointKey {
        &self.key
    }

    /// Excludes other agents from the folder until the lock is dropped. Two agents with one folder
    /// would share a key and an enrolled address. On a file system without locks, the lock excludes
    /// no one.
    pub fn lock_folder(&self) -> Result<FolderLock, SetupError> {
        match self.known.folder.lock() {
            Ok(Some(folder)) => Ok(FolderLock(Some(folder))),
            Ok(None) => Err(SetupError::passing(format_args!(
                "another agent uses the folder {}: each agent needs its own folder (--data DIR)",
                self.known.folder.path().display()
            ))),
            Err(error) if error.is_transient() => Err(error.into()),
            Err(_) => Ok(FolderLock(None)),
        }
    }

    /// The key that this peer showed before, if any.
    pub(crate) fn known(&self, peer: &str) -> io::Result<Option<PublicKey>> {
        let unsaved = self.known.unsaved.lock().get(peer).copied();
        if let Some(Unsaved { key, replaces: true }) = unsaved {
            return Ok(Some(key));
        }
        Ok(self.known.key_of(peer)?.or_else(|| unsaved.map(|unsaved| unsaved.key)))
    }

    /// Returns whether this peer's key still has to be stored.
    pub(crate) fn has_unsaved(&self, peer: &str) -> bool {
        self.known.unsaved.lock().contains_key(peer)
    }

    /// Stores this key in place of any other key of the peer. Returns the reason if it cannot be
    /// stored.
    pub(crate) fn replace_key(&self, peer: &str, key: PublicKey) -> Option<io::ErrorKind> {
        let known = &self.known;
        let (mut unsaved, program) = (known.unsaved.lock(), lock(&known.folder));
        match program.and_then(|_program| known.write(peer, key)) {
            Ok(()) => {
                unsaved.remove(peer);
                None
            }
            Err(error) => {
                unsaved.insert(peer.to_owned(), Unsaved { key, replaces: true });
                Some(kind(&error))
            }
        }
    }

    /// Compares a key with the one that this peer showed before, or stores it as the first one.
    pub fn compare_or_store(&self, peer: &str, shown: PublicKey) -> io::Result<KeyStatus> {
        let known = &self.known;
        // First the tasks of this program are serialised, then the programs.
        let (mut unsaved, program) = (known.unsaved.lock(), lock(&known.folder));
        let held = unsaved.get(peer).copied();
        let written = if held.is_some_and(|held| held.replaces) { None } else { known.key_of(peer)? };
        if let Some(before) = written {
            unsaved.remove(peer);
            return Ok(compare(before, shown));
        }
        let before = held.map(|held| held.key);
        if let Some(before) = before.filter(|before| *before != shown) {
            return Ok(KeyStatus::Changed(before));
        }
        let new = before.is_none();
        match program.and_then(|_program| known.write(peer, shown)) {
            Ok(()) => {
                unsaved.remove(peer);
                Ok(if new { KeyStatus::New } else { KeyStatus::Known })
            }
            Err(_) if !new => Ok(KeyStatus::Known),
            Err(error) if unsaved.len() < MOST_UNSAVED => {
                unsaved.insert(peer.to_owned(), Unsaved { key: shown, replaces: false });
                Ok(KeyStatus::Unsaved(kind(&error)))
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// A lock that excludes other agents from a folder.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "it is held, not read")] Option<File>);

fn compare(before: PublicKey, shown: PublicKey) -> KeyStatus {
    if before == shown { KeyStatus::Known } else { KeyStatus::Changed(before) }
}

fn kind(error: &FolderError) -> io::ErrorKind {
    match error {
        FolderError::Io { source, .. } => source.kind(),
        _ => io::ErrorKind::Other,
    }
}

/// Reads the key in the folder, or creates one unless another program is first.
fn key_in(folder: &Folder) -> Result<Vec<u8>, FolderError> {
    if let Some(bytes) = folder.read(KEY, MAX_KEY)? {
        return Ok(bytes);
    }
    let failed = |source| FolderError::Io { what: "make the key", path: folder.at(KEY), source };
    let _lock = lock(folder)?;
    if let Some(bytes) = folder.read(KEY, MAX_KEY)? {
        return Ok(bytes);
    }
    let key = EndpointKey::generate().map_err(|error| failed(io::Error::other(error)))?;
    folder.replace(KEY, key.pkcs8(), PRIVATE)?;
    Ok(key.pkcs8().to_vec())
}

/// Excludes other programs from the folder until it is dropped.
fn lock(folder: &Folder) -> Result<File, FolderError> {
    let file = folder.lock_file(LOCK)?;
    let failed = |source| FolderError::Io { what: "lock", path: folder.at(LOCK), source };
    file.lock().map_err(failed)?;
    Ok(file)
}

impl KnownKeys {
    fn key_of(&self, peer: &str) -> io::Result<Option<PublicKey>> {
        let text = self.read()?;
        let entry = text.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == peer);
        entry.map(|(_, key)| key.trim().parse().map_err(io::Error::other)).transpose()
    }

    /// Writes the key in place of any other key of this peer. The file is replaced whole, since
    /// half a line would be no key.
    fn write(&self, peer: &str, key: PublicKey) -> Result<(), FolderError> {
        let failed = |source| FolderError::Io { what: "write", path: self.path.clone(), source };
        let before = self.read().map_err(failed)?;
        let others = before.lines().filter(|line| line.split_once(' ').is_none_or(|(name, _)| name != peer));
        let mut text: String = others.map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("{peer} {key}\n"));
        if u64::try_from(text.len()).is_ok_and(|length| length > MAX_KNOWN) {
            return Err(failed(io::ErrorKind::FileTooLarge.into()));
        }
        self.folder.replace(KNOWN, text.as_bytes(), PRIVATE)
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

    /// A private folder, whatever the umask.
    fn private() -> tempfile::TempDir {
        let mode = PermissionsExt::from_mode(0o700);
        tempfile::Builder::new().permissions(mode).tempdir().expect("a folder")
    }

    #[test]
    fn a_key_is_made_once_and_the_first_key_of_a_peer_is_stored() {
        let folder = private();
        let folder = folder.path().join("state");
        let identity = Identity::open(&folder).expect("identity");
        let again = Identity::open(&folder).expect("again");
        assert_eq!(identity.public(), again.public());
        let [first, second] = [b"1", b"2"].map(|spki| PublicKey::of(spki));
        assert_eq!(identity.compare_or_store("peer", first).expect("meet"), KeyStatus::New);
        assert_eq!(again.compare_or_store("peer", first).expect("meet"), KeyStatus::Known);
        assert_eq!(again.compare_or_store("peer", second).expect("meet"), KeyStatus::Changed(first));
        assert_eq!(again.compare_or_store("other", second).expect("meet"), KeyStatus::New);
    }

    #[test]
    fn a_first_key_that_cannot_be_stored_still_holds_and_is_stored_later() {
        let folder = private();
        let identity = Identity::open(folder.path()).expect("identity");
        let [first, second] = [b"1", b"2"].map(|spki| PublicKey::of(spki));
        assert_eq!(identity.compare_or_store("other", first).expect("meet"), KeyStatus::New);
        let known = folder.path().join(KNOWN);
        let before = std::fs::read(&known)
            .expect("it is kept")
            .iter()
            .rev()
            .skip(1)
            .rev()
            .copied()
            .collect::<Vec<_>>();
        // An editor may leave a file like this: without an end of the last line.
        std::fs::write(&known, before).expect("written");
        // A directory has the name of the new file, so the file cannot be written.
        let fresh = folder.path().join(format!("{KNOWN}.{}.new", std::process::id()));
        std::fs::create_dir(&fresh).expect("a folder");
        let unsaved = identity.compare_or_store("peer", first).expect("meet");
        assert!(matches!(unsaved, KeyStatus::Unsaved(_)), "{unsaved:?}");
        assert_eq!(identity.known("peer").expect("known"), Some(first));
        assert_eq!(identity.compare_or_store("peer", second).expect("meet"), KeyStatus::Changed(first));
        assert_eq!(identity.compare_or_store("peer", first).expect("meet"), KeyStatus::Known);
        assert!(identity.has_unsaved("peer"));
        std::fs::remove_dir(&fresh).expect("a folder");
        assert_eq!(identity.compare_or_store("peer", first).expect("meet"), KeyStatus::Known);
        assert!(!identity.has_unsaved("peer"));
        let again = Identity::open(folder.path()).expect("again");
        for peer in ["peer", "other"] {
            assert_eq!(again.known(peer).expect("known"), Some(first), "{peer}");
        }
    }

    #[test]
    fn a_key_that_replaces_another_is_the_peers_only_key() {
        let folder = private();
        let identity = Identity::open(folder.path()).expect("identity");
        let [first, second] = [b"1", b"2"].map(|spki| PublicKey::of(spki));
        for peer in ["peer", "other"] {
            assert_eq!(identity.compare_or_store(peer, first).expect("meet"), KeyStatus::New);
        }
        assert_eq!(identity.replace_key("peer", second), None);
        let kept = std::fs::read_to_string(folder.path().join(KNOWN)).expect("it is kept");
        assert_eq!(kept, format!("other {first}\npeer {second}\n"));
        // If the key cannot be stored, it holds all the same.
        let fresh = folder.path().join(format!("{KNOWN}.{}.new", std::process::id()));
        std::fs::create_dir(&fresh).expect("a folder");
        assert!(identity.replace_key("peer", first).is_some());
        assert_eq!(identity.known("peer").expect("known"), Some(first));
        assert_eq!(identity.compare_or_store("peer", second).expect("meet"), KeyStatus::Changed(first));
        std::fs::remove_dir(&fresh).expect("a folder");
        assert_eq!(identity.compare_or_store("peer", first).expect("meet"), KeyStatus::Known);
        assert_eq!(Identity::open(folder.path()).expect("again").known("peer").expect("known"), Some(first));
    }

    #[test]
    fn only_one_agent_at_a_time_can_lock_a_folder() {
        let folder = private();
        let identity = Identity::open(folder.path()).expect("identity");
        let held = identity.lock_folder().expect("it is free");
        let refused = Identity::open(folder.path()).expect("again").lock_folder().expect_err("it is held");
        assert!(
            refused.passes() && refused.to_string().contains("another agent uses the folder"),
            "{refused}"
        );
        drop(held);
        identity.lock_folder().expect("it is free again");
    }

    #[test]
    fn programs_that_share_a_folder_agree_on_its_key_and_on_a_peers_first_key() {
        const AT_ONCE: u8 = 8;
        for _ in 0..20 {
            let folder = private();
            let start = Barrier::new(AT_ONCE.into());
            let met: Vec<_> = thread::scope(|scope| {
                let at_once = (0..AT_ONCE).map(|own| {
                    let (folder, start) = (folder.path(), &start);
                    scope.spawn(move || {
                        start.wait();
                        // Each task acts as a program of its own: they share only the folder.
                        let identity = Identity::open(folder).expect("identity");
                        let met = identity.compare_or_store("peer", PublicKey::of(&[own])).expect("meet");
                        (identity.public(), met)
                    })
                });
                let at_once: Vec<_> = at_once.collect();
                at_once.into_iter().map(|one| one.join().expect("it ran")).collect()
            });
            assert!(met.iter().all(|(key, _)| *key == met[0].0));
            assert_eq!(met.iter().filter(|(_, met)| *met == KeyStatus::New).count(), 1);
        }
    }
}
