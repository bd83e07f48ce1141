//! The identity of this end: its key, made at first use, and the keys of the ends that it has met.

use std::collections::HashMap;
use std::fs::File;
use std::io;
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
/// A device has some dozens of viewers.
const MOST_UNKEPT: usize = 1024;

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
    /// Keys that could not be written down: they hold until this program ends, or until they are.
    unkept: Mutex<HashMap<String, Unkept>>,
}

/// A key that could not be written down.
#[derive(Clone, Copy, Debug)]
struct Unkept {
    key: PublicKey,
    /// It takes the place of the one that is written.
    instead: bool,
}

/// Whether a key is the one that its holder had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// It is.
    Known,
    /// It was never seen before, and is kept from now on.
    New,
    /// It was never seen before, and could not be written down, because of this: it is known until this program ends, and
    /// written as soon as that goes.
    Unkept(io::ErrorKind),
    /// It had this one before.
    Changed(PublicKey),
}

impl Identity {
    /// Opens the folder; makes it, and a key, where there is none. Several programs of one user may share it. A folder or a
    /// file that could be somebody else's is refused.
    pub fn open(folder: &Path) -> Result<Self, SetupError> {
        let folder = Folder::open(folder)?;
        folder.has(KNOWN)?;
        let bytes = key_in(&folder)?;
        let path = folder.at(KNOWN);
        let wrong = |error| SetupError::new(format_args!("{}: {error}", folder.at(KEY).display()));
        let key = EndpointKey::from_pkcs8(&bytes).map_err(wrong)?;
        let known = KnownKeys { folder, path, unkept: Mutex::default() };
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

    /// Keeps other agents out of the folder until it is dropped: two that share one would share a key, and an address that was
    /// enrolled. Where the file system has no locks, nobody is kept out.
    pub fn hold(&self) -> Result<Hold, SetupError> {
        match self.known.folder.hold() {
            Ok(Some(folder)) => Ok(Hold(Some(folder))),
            Ok(None) => Err(SetupError::passing(format_args!(
                "another agent runs with the folder {}: each needs one of its own (--data DIR)",
                self.known.folder.path().display()
            ))),
            Err(error) if error.passes() => Err(error.into()),
            Err(_) => Ok(Hold(None)),
        }
    }

    /// The key that this peer had before.
    pub(crate) fn known(&self, peer: &str) -> io::Result<Option<PublicKey>> {
        let unkept = self.known.unkept.lock().get(peer).copied();
        if let Some(Unkept { key, instead: true }) = unkept {
            return Ok(Some(key));
        }
        Ok(self.known.key_of(peer)?.or(unkept.map(|unkept| unkept.key)))
    }

    /// Whether this peer's key has still to be written down.
    pub(crate) fn owes(&self, peer: &str) -> bool {
        self.known.unkept.lock().contains_key(peer)
    }

    /// Keeps this key as the peer's own, whichever it had before; answers why that could not be written down.
    pub(crate) fn keep_instead(&self, peer: &str, key: PublicKey) -> Option<io::ErrorKind> {
        let known = &self.known;
        let (mut unkept, program) = (known.unkept.lock(), lock(&known.folder));
        match program.and_then(|_program| known.write(peer, key)) {
            Ok(()) => {
                unkept.remove(peer);
                None
            }
            Err(error) => {
                unkept.insert(peer.to_owned(), Unkept { key, instead: true });
                Some(kind(&error))
            }
        }
    }

    /// Compares a key with the one that this peer had before; keeps the first one.
    pub fn meet(&self, peer: &str, shown: PublicKey) -> io::Result<Acquaintance> {
        let known = &self.known;
        // Tasks of this program, and then programs, one at a time.
        let (mut unkept, program) = (known.unkept.lock(), lock(&known.folder));
        let held = unkept.get(peer).copied();
        let written = if held.is_some_and(|held| held.instead) { None } else { known.key_of(peer)? };
        if let Some(before) = written {
            unkept.remove(peer);
            return Ok(compare(before, shown));
        }
        let before = held.map(|held| held.key);
        if let Some(before) = before.filter(|before| *before != shown) {
            return Ok(Acquaintance::Changed(before));
        }
        let new = before.is_none();
        match program.and_then(|_program| known.write(peer, shown)) {
            Ok(()) => {
                unkept.remove(peer);
                Ok(if new { Acquaintance::New } else { Acquaintance::Known })
            }
            Err(_) if !new => Ok(Acquaintance::Known),
            Err(error) if unkept.len() < MOST_UNKEPT => {
                unkept.insert(peer.to_owned(), Unkept { key: shown, instead: false });
                Ok(Acquaintance::Unkept(kind(&error)))
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// What keeps other agents out of a folder.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "it is held, not read")] Option<File>);

fn compare(before: PublicKey, shown: PublicKey) -> Acquaintance {
    if before == shown { Acquaintance::Known } else { Acquaintance::Changed(before) }
}

fn kind(error: &FolderError) -> io::ErrorKind {
    match error {
        FolderError::Io { source, .. } => source.kind(),
        _ => io::ErrorKind::Other,
    }
}

/// The key that is kept there; a new one where there is none, unless another program is first.
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

/// Keeps other programs out of the folder until it is dropped.
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

    /// Whole or not at all, since half a line would be no key; in the place of any other key of this peer.
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
    fn a_first_key_that_cannot_be_written_holds_all_the_same_and_is_written_when_it_can_be() {
        let folder = private();
        let identity = Identity::open(folder.path()).expect("identity");
        let [first, second] = [b"1", b"2"].map(|spki| PublicKey::of(spki));
        assert_eq!(identity.meet("other", first).expect("meet"), Acquaintance::New);
        let known = folder.path().join(KNOWN);
        let before = std::fs::read(&known)
            .expect("it is kept")
            .iter()
            .rev()
            .skip(1)
            .rev()
            .copied()
            .collect::<Vec<_>>();
        // As an editor leaves it: without an end of the line.
        std::fs::write(&known, before).expect("written");
        // The name that a new file gets is taken by what cannot be removed.
        let fresh = folder.path().join(format!("{KNOWN}.{}.new", std::process::id()));
        std::fs::create_dir(&fresh).expect("a folder");
        let unkept = identity.meet("peer", first).expect("meet");
        assert!(matches!(unkept, Acquaintance::Unkept(_)), "{unkept:?}");
        assert_eq!(identity.known("peer").expect("known"), Some(first));
        assert_eq!(identity.meet("peer", second).expect("meet"), Acquaintance::Changed(first));
        assert_eq!(identity.meet("peer", first).expect("meet"), Acquaintance::Known);
        assert!(identity.owes("peer"));
        std::fs::remove_dir(&fresh).expect("a folder");
        assert_eq!(identity.meet("peer", first).expect("meet"), Acquaintance::Known);
        assert!(!identity.owes("peer"));
        let again = Identity::open(folder.path()).expect("again");
        for peer in ["peer", "other"] {
            assert_eq!(again.known(peer).expect("known"), Some(first), "{peer}");
        }
    }

    #[test]
    fn a_key_that_takes_anothers_place_is_the_peers_only_one() {
        let folder = private();
        let identity = Identity::open(folder.path()).expect("identity");
        let [first, second] = [b"1", b"2"].map(|spki| PublicKey::of(spki));
        for peer in ["peer", "other"] {
            assert_eq!(identity.meet(peer, first).expect("meet"), Acquaintance::New);
        }
        assert_eq!(identity.keep_instead("peer", second), None);
        let kept = std::fs::read_to_string(folder.path().join(KNOWN)).expect("it is kept");
        assert_eq!(kept, format!("other {first}\npeer {second}\n"));
        // Where it cannot be written, it holds all the same.
        let fresh = folder.path().join(format!("{KNOWN}.{}.new", std::process::id()));
        std::fs::create_dir(&fresh).expect("a folder");
        assert!(identity.keep_instead("peer", first).is_some());
        assert_eq!(identity.known("peer").expect("known"), Some(first));
        assert_eq!(identity.meet("peer", second).expect("meet"), Acquaintance::Changed(first));
        std::fs::remove_dir(&fresh).expect("a folder");
        assert_eq!(identity.meet("peer", first).expect("meet"), Acquaintance::Known);
        assert_eq!(Identity::open(folder.path()).expect("again").known("peer").expect("known"), Some(first));
    }

    #[test]
    fn one_agent_at_a_time_holds_a_folder() {
        let folder = private();
        let identity = Identity::open(folder.path()).expect("identity");
        let held = identity.hold().expect("it is free");
        let refused = Identity::open(folder.path()).expect("again").hold().expect_err("it is held");
        assert!(
            refused.passes() && refused.to_string().contains("another agent runs with the folder"),
            "{refused}"
        );
        drop(held);
        identity.hold().expect("it is free again");
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
