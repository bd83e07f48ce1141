//! The listeners for presence at this node, and the news that they have to look at.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use transom_model::EndReason;
use transom_model::access_key::AccessKeyId;
use transom_model::end_reason::End;

use crate::error::Result;

/// A program follows with one listener, a team of people with a few more.
const PER_KEY: usize = 32;
/// Each one is asked about after every change: they must not become a load of their own.
const IN_ALL: usize = 512;

/// Everybody who listens at this node.
pub(crate) struct Listeners {
    pub(crate) news: watch::Sender<News>,
    counts: Mutex<HashMap<Option<AccessKeyId>, usize>>,
    pub(crate) closing: CancellationToken,
}

/// The changes that listeners must look at.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Changes of presence.
    pub(crate) seq: i64,
    /// Changes that may take a listener's permission away.
    pub(crate) revision: i64,
    /// Revocations that hold at this node, and that the store has not taken yet.
    pub(crate) held: u64,
    /// Changes of presence at this node, which has not looked for their number.
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

    /// Sends every listener away.
    pub(crate) fn close(&self) {
        self.closing.cancel();
    }

    /// A place for one more listener of this key.
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

    /// Gives a place up.
    pub(crate) fn dismiss(&self, key: Option<AccessKeyId>) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&key);
            }
        }
    }

    /// Lets every listener look whether it still may.
    pub(crate) fn look_again(&self) {
        self.news.send_modify(|news| news.held += 1);
    }
}
