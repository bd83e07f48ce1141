//! The listeners for presence at this node, and the news that makes them query the store.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use transom_model::EndReason;
use transom_model::access_key::AccessKeyId;
use transom_model::end_reason::End;

use crate::error::Result;

/// The maximum number of listeners per access key. A program needs one, and a team of people a few
/// more.
const PER_KEY: usize = 32;
/// The maximum number of listeners at this node. Each of them queries the store after every change,
/// so they must not become a load.
const IN_ALL: usize = 512;

/// The listeners at this node.
pub(crate) struct Listeners {
    pub(crate) news: watch::Sender<News>,
    counts: Mutex<HashMap<Option<AccessKeyId>, usize>>,
    pub(crate) closing: CancellationToken,
}

/// Counters of changes. When one of them changes, every listener queries the store.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// The number of the newest change of presence that this node has seen in the store.
    pub(crate) seq: i64,
    /// The revision. A change of it may withdraw a listener's permission.
    pub(crate) revision: i64,
    /// The number of revocations that took effect at this node before the store recorded them.
    pub(crate) held: u64,
    /// The number of joins and leaves at this node.
    own: u64,
}

impl Default for Listeners {
    fn default() -> Self {
        Self { news: watch::Sender::default(), counts: Mutex::default(), closing: CancellationToken::new() }
    }
}

impl Listeners {
    /// Notes that a device has joined or left at this node.
    pub(crate) fn ring(&self) {
        self.news.send_modify(|news| news.own += 1);
    }

    /// Disconnects every listener.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// Takes a place for a listener of this key. Fails if there are too many.
    pub(crate) fn admit(&self, key: Option<AccessKeyId>) -> Result<()> {
        let mut counts = self.counts.lock();
        let in_all: usize = counts.values().sum();
        let own = counts.entry(key).or_default();
        if *own >= PER_KEY || in_all >= IN_ALL {
            return Err(End::for_viewers(
                EndReason::Overloaded,
                "too many presence listeners are connected already",
            )
            .into());
        }
        *own += 1;
        Ok(())
    }

    /// Frees a listener's place.
    pub(crate) fn dismiss(&self, key: Option<AccessKeyId>) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&key);
            }
        }
    }

    /// Makes every listener check its permission again.
    pub(crate) fn look_again(&self) {
        self.news.send_modify(|news| news.held += 1);
    }
}
