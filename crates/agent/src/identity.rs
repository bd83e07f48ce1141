//! The identity of this end: its key, made at first use, and the keys of the ends that it has met.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use transom_tunnel::{EndpointKey, PublicKey};

use crate::SetupError;

const KEY: &str = "endpoint.key";
const KNOWN: &str = "known-keys";
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
    /// Opens the folder; makes it, and a key, where there is none.
    pub fn open(folder: &Path) -> Result<Self, SetupError> {
        let failed = |error: io::Error| SetupError::new(format_args!("{}: {error}", folder.display()));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let path = folder.join(KEY);
        let key = match fs::read(&path) {
            Ok(bytes) => EndpointKey::from_pkcs8(&bytes)
                .map_err(|error| SetupError::new(format_args!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = EndpointKey::generate().map_err(SetupError::new)?;
                // Never over another one: a second process may have made it at this moment.
                let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                file.and_then(|mut file| file.write_all(key.pkcs8())).map_err(failed)?;
                key
            }
            Err(error) => return Err(failed(error)),
        };
        let known = KnownKeys { path: folder.join(KNOWN), lock: Mutex::new(()) };
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

    /// Compares a key with the one that this peer had before; keeps the first one.
    pub fn meet(&self, peer: &str, shown: PublicKey) -> io::Result<Acquaintance> {
        let known = &self.known;
        let _one_at_a_time = known.lock.lock();
        let text = known.read()?;
        let entry = text.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == peer);
        if let Some((_, key)) = entry {
            let before: PublicKey = key.trim().parse().map_err(io::Error::other)?;
            return Ok(if before == shown { Acquaintance::Known } else { Acquaintance::Changed(before) });
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&known.path)?;
        file.write_all(format!("{peer} {shown}\n").as_bytes())?;
        Ok(Acquaintance::New)
    }
}

impl KnownKeys {
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
}
