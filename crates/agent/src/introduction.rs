//! Introductions: a peer's key, and the embedding program's decision on it (requirement S14).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use transom_tunnel::PublicKey;

use crate::identity::{Identity, KeyStatus};

/// The time for a person to compare some words. The other side waits for 45 seconds, part of which
/// is spent before this point.
const DECISION: Duration = Duration::from_secs(25);

/// A peer and its key. The peer has proved that it holds the key, and no byte of the session has
/// passed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// The peer, in the form `[vnccloud:<address>]`.
    pub peer: String,
    /// The peer's key. Its hexadecimal form is its fingerprint.
    pub key: PublicKey,
    /// The words that two people compare. They are the same at the other end.
    pub phrase: String,
    /// True if the peer shows this key for the first time. If accepted, the key is stored as the
    /// peer's own.
    pub new: bool,
    /// The peer's earlier key, if the server states that this key replaces it. Only the check in a
    /// connector's [`renewed`](crate::Connector::renewed) sees such a key.
    pub before: Option<PublicKey>,
}

/// The embedding program's check of a peer's key. By default it accepts every known key and every
/// first key.
///
/// The check runs in each session, after all others. A key that has changed, or is not the named
/// one, is refused without it. The check has 25 seconds; without a result in that time, the peer is
/// refused.
#[derive(Clone, Default)]
pub struct Verify(Option<Arc<Verifies>>);

type Verifies = dyn Fn(Introduction) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync;

impl Verify {
    /// Calls `verifies` with each peer and its key.
    pub fn new<F>(verifies: impl Fn(Introduction) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        Self(Some(Arc::new(move |introduction| Box::pin(verifies(introduction)))))
    }

    async fn accepts(&self, introduction: &Introduction) -> bool {
        match &self.0 {
            None => true,
            Some(verifies) => timeout(DECISION, verifies(introduction.clone())).await.unwrap_or(false),
        }
    }
}

impl fmt::Debug for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Verify(..)" } else { "Verify(default)" })
    }
}

/// A peer whose key is accepted.
pub(crate) struct AcceptedKey {
    pub(crate) introduction: Introduction,
    /// The reason why a new key could not be stored.
    pub(crate) unsaved: Option<io::ErrorKind>,
}

/// The reason why a key is not accepted after all.
#[derive(Debug)]
pub(crate) enum KeyRejection {
    /// The embedding program declined it.
    Declined,
    /// The peer got this other key a moment ago.
    Changed(PublicKey),
    /// The known keys cannot be read or written.
    Unreadable(io::Error),
}

impl Identity {
    /// Asks the embedding program about a key. A new key is stored only after it accepts.
    pub(crate) async fn introduce(
        &self,
        verify: &Verify,
        address: &str,
        key: PublicKey,
        new: bool,
    ) -> Result<AcceptedKey, KeyRejection> {
        let introduction = self.introduction(address, key, new, None);
        if !verify.accepts(&introduction).await {
            return Err(KeyRejection::Declined);
        }
        let mut unsaved = None;
        if new || self.has_unsaved(address) {
            match self.compare_or_store(address, key).map_err(KeyRejection::Unreadable)? {
                KeyStatus::New | KeyStatus::Known => {}
                KeyStatus::Unsaved(why) => unsaved = Some(why),
                KeyStatus::Changed(before) => return Err(KeyRejection::Changed(before)),
            }
        }
        Ok(AcceptedKey { introduction, unsaved })
    }

    /// Asks a person about a key that replaces another. The key is stored only after the person
    /// accepts.
    pub(crate) async fn introduce_renewed(
        &self,
        verify: &Verify,
        address: &str,
        key: PublicKey,
        before: PublicKey,
    ) -> Result<AcceptedKey, KeyRejection> {
        let introduction = self.introduction(address, key, true, Some(before));
        if !verify.accepts(&introduction).await {
            return Err(KeyRejection::Declined);
        }
        let unsaved = self.replace_key(address, key);
        Ok(AcceptedKey { introduction, unsaved })
    }

    fn introduction(
        &self,
        address: &str,
        key: PublicKey,
        new: bool,
        before: Option<PublicKey>,
    ) -> Introduction {
        Introduction { peer: named(address), key, phrase: self.public().phrase(key), new, before }
    }
}

/// The form in which people and programs see a peer.
pub(crate) fn named(address: &str) -> String {
    format!("[vnccloud:{address}]")
}
