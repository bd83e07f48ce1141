//! Introductions: whose key it is that a peer shows, and the embedding program's own word on it (requirement S14).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use transom_tunnel::PublicKey;

use crate::identity::{Acquaintance, Identity};

/// A person compares some words. The other side waits for 45 seconds, of which the way there takes a part.
const DECISION: Duration = Duration::from_secs(25);

/// Who shows which key. The peer has proved to have it, and nothing of the session has passed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Who, `[vnccloud:<address>]`.
    pub peer: String,
    /// Its key, whose hexadecimal form is its fingerprint.
    pub key: PublicKey,
    /// The same words as at the other end, for people who compare.
    pub phrase: String,
    /// It shows this key for the first time: if it is accepted, it is kept as the peer's own.
    pub new: bool,
    /// The key that it had before, where the server says that this one has taken its place. Only a connector's
    /// [`renewed`](crate::Connector::renewed) is asked about such a key.
    pub before: Option<PublicKey>,
}

/// The embedding program's own word on the key of whoever is at the other end; by default, what is known already decides,
/// and a first key is taken.
///
/// It is asked at each session, after everything else: a key that has changed, or is not the one that was named, is refused
/// without asking. It has 25 seconds; without a word in that time the peer is refused.
#[derive(Clone, Default)]
pub struct Verify(Option<Arc<Verifies>>);

type Verifies = dyn Fn(Introduction) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync;

impl Verify {
    /// Asks this.
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
        f.write_str(if self.0.is_some() { "Verify(..)" } else { "Verify(whom nothing else keeps out)" })
    }
}

/// A peer whose key is taken.
pub(crate) struct Introduced {
    pub(crate) introduction: Introduction,
    /// Why its key, which is new, could not be written down.
    pub(crate) unkept: Option<io::ErrorKind>,
}

/// Why a key is not taken that was to be.
#[derive(Debug)]
pub(crate) enum Objection {
    /// The embedding program does not want it.
    Declined,
    /// The peer has had this one since a moment ago.
    Changed(PublicKey),
    /// The known keys cannot be read or written.
    Unknown(io::Error),
}

impl Identity {
    /// Has the embedding program's word on a key, and only then keeps one that is new.
    pub(crate) async fn introduce(
        &self,
        verify: &Verify,
        address: &str,
        key: PublicKey,
        new: bool,
    ) -> Result<Introduced, Objection> {
        let introduction = self.introduction(address, key, new, None);
        if !verify.accepts(&introduction).await {
            return Err(Objection::Declined);
        }
        let mut unkept = None;
        if new || self.owes(address) {
            match self.meet(address, key).map_err(Objection::Unknown)? {
                Acquaintance::New | Acquaintance::Known => {}
                Acquaintance::Unkept(why) => unkept = Some(why),
                Acquaintance::Changed(before) => return Err(Objection::Changed(before)),
            }
        }
        Ok(Introduced { introduction, unkept })
    }

    /// Has a person's word on a key that has taken the place of another, and only then keeps it instead.
    pub(crate) async fn introduce_renewed(
        &self,
        verify: &Verify,
        address: &str,
        key: PublicKey,
        before: PublicKey,
    ) -> Result<Introduced, Objection> {
        let introduction = self.introduction(address, key, true, Some(before));
        if !verify.accepts(&introduction).await {
            return Err(Objection::Declined);
        }
        let unkept = self.keep_instead(address, key);
        Ok(Introduced { introduction, unkept })
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

/// A peer, as people and programs are told of it.
pub(crate) fn named(address: &str) -> String {
    format!("[vnccloud:{address}]")
}
