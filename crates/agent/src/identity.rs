//! The identity of this end: its key, made at first use, and the keys of the ends that it has met.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use transom_tunnel::{EndpointKey, PublicKey};

use crate::SetupError;

const KEY: &str = "endpoint.key";
const KNOWN: &str = "known-keys";
const LOCK: &str = "lock";
const UNFINISHED: &str = "endpoint.key.new";
/// A key file is 83 bytes, a line of known keys 165.
const MAX_KNOWN: u64 = 4 * 1024 * 1024;

/// A folder with this end's key (`endpoint.key`, 0600) and the keys that it knows (`known-keys`: address, key).
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<EndpointKey>,
    known: Arc<KnownKeys>,
}

#[derive(Debug)]
struct KnownKeys {
    folder: PathBuf,
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
    /// Opens the folder; makes it, and a key, where there is none. Several programs may share it.
    pub fn open(folder: &Path) -> Result<Self, SetupError> {
        let failed = |error: io::Error| SetupError::new(format_args!("{}: {error}", folder.display()));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let path = folder.join(KEY);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_key(folder, &path).map_err(failed)?;
                fs::read(&path).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        let key = EndpointKey::from_pkcs8(&bytes);
        let key = key.map_err(|error| SetupError::new(format_args!("{}: {error}", path.display())))?;
        let known = KnownKeys { folder: folder.to_owned(), path: folder.join(KNOWN), lock: Mutex::new(()) };
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
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&known.path)?;
        file.write_all(format!("{peer} {shown}\n").as_bytes())?;
        Ok(Acquaintance::New)
    }
}

/// Makes the key, unless another program was first. It is there whole or not at all.
fn make_key(folder: &Path, path: &Path) -> io::Result<()> {
    let _lock = lock(folder)?;
    if path.exists() {
        return Ok(());
    }
    let key = EndpointKey::generate().map_err(io::Error::other)?;
    let unfinished = folder.join(UNFINISHED);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(key.pkcs8())?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

/// Keeps other programs out of the folder until it is dropped.
fn lock(folder: &Path) -> io::Result<File> {
    let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).to_owned();
    let file = options.open(folder.join(LOCK))?;
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
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
            Ok(metadata) if metadata.len() > MAX_KNOWN => Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => fs::read_to_string(&self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_the_first_key_of_a_peer_is_kept() {
        let folder = tempfile::tempdir().expect("folder");
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
            let folder = tempfile::tempdir().expect("folder");
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
