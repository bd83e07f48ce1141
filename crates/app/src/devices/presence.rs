//! Changes of presence for listeners. Each listener reads the list of changes from its own
//! position, so a slow one occupies no memory and an absent one loses no change.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use transom_model::cloud::{PresenceChange, PresenceState};
pub use transom_store::PresenceQuery;

use crate::Call;
use crate::Caller;
use crate::access::caller::Proof;
use crate::devices::Devices;
use crate::devices::listeners::News;
use crate::error::{Error, Result};

/// The most changes that a listener holds at once.
const PAGE: u32 = 100;
/// An event for a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A change.
    Change(PresenceChange),
    /// The listener has received everything up to this number. From now on it receives changes as
    /// they happen.
    Current(i64),
}

/// A listener. Dropping it frees its place.
pub struct PresenceStream {
    devices: Arc<Devices>,
    proof: Proof,
    caller: Caller,
    query: PresenceQuery,
    /// The number of the last change that was read.
    after: i64,
    /// The newest change at the start of a listener without a position. It needs no earlier
    /// removals.
    began: Option<i64>,
    current: bool,
    waiting: VecDeque<PresenceChange>,
    news: watch::Receiver<News>,
    /// The revision and the count of held revocations at the last check of the permission.
    checked: (i64, u64),
}

impl Devices {
    /// Follows changes of presence after this number. Without a number, it begins with every
    /// address that ever joined.
    pub async fn follow_presence(
        self: &Arc<Self>,
        call: &Call,
        proof: Proof,
        mut query: PresenceQuery,
        after: Option<i64>,
    ) -> Result<PresenceStream> {
        if let Some(own) = call.caller.project() {
            query.project = Some(own);
        }
        let news = self.joined.listeners.news.subscribe();
        let now = self.core.store.presence_seq().await?;
        // A number in the future comes from another database, for example from before a restore.
        let after = after.filter(|after| (0..=now).contains(after));
        let key = call.caller.key().cloned();
        self.joined.listeners.admit(key)?;
        Ok(PresenceStream {
            devices: Arc::clone(self),
            proof,
            caller: call.caller.clone(),
            query,
            after: after.unwrap_or(0),
            began: after.is_none().then_some(now),
            current: false,
            waiting: VecDeque::new(),
            news,
            // The caller may have lost its permission between its proof and here.
            checked: (-1, 0),
        })
    }

    /// Looks for changes of presence at other nodes, if this node has listeners.
    pub(crate) async fn look_for_presence(&self) -> Result<()> {
        let news = &self.joined.listeners.news;
        if news.receiver_count() > 0 {
            let seq = self.core.store.presence_seq().await?;
            news.send_if_modified(|news| std::mem::replace(&mut news.seq, seq) != seq);
        }
        Ok(())
    }

    /// Makes every listener, and every connector that watches peers, check its permission again.
    pub(crate) fn tell_listeners(&self, revision: i64) {
        self.joined.rules.send_if_modified(|rules| std::mem::replace(rules, revision) != revision);
        let news = &self.joined.listeners.news;
        news.send_if_modified(|news| std::mem::replace(&mut news.revision, revision) != revision);
    }
}

impl PresenceStream {
    /// Returns the next event, or `None` at the end: the caller lost its permission, or the node is
    /// shutting down.
    pub async fn next(&mut self) -> Option<Told> {
        let closing = self.devices.joined.listeners.closing.clone();
        tokio::select! {
            biased;
            () = closing.cancelled() => None,
            told = self.told() => match told {
                Ok(told) => told,
                Err(error) => {
                    tracing::debug!(%error, "a presence listener is disconnected");
                    None
                }
            },
        }
    }

    async fn told(&mut self) -> Result<Option<Told>> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return Ok(Some(Told::Change(change)));
            }
            let news = *self.news.borrow_and_update();
            let asked = (news.revision, news.held);
            if self.checked != asked && !self.may_listen().await? {
                return Ok(None);
            }
            self.checked = asked;
            let page = self.devices.core.store.presence_changes(&self.query, self.after, PAGE).await?;
            if let Some(last) = page.last() {
                self.after = last.seq;
                let began = self.began;
                let is_old = |change: &PresenceChange| {
                    change.state == PresenceState::Removed && began.is_some_and(|began| change.seq <= began)
                };
                self.waiting.extend(page.into_iter().filter(|change| !is_old(change)));
            } else if !self.current {
                self.current = true;
                return Ok(Some(Told::Current(self.after)));
            } else if !self.changed().await? {
                return Ok(None);
            }
        }
    }

    /// Waits for news. Returns false once the caller's token has expired.
    async fn changed(&mut self) -> Result<bool> {
        let rest = match self.caller.token().map(|shown| shown.until) {
            Some(until) => until.since(self.devices.core.store.now().await?),
            None => Duration::MAX,
        };
        tokio::select! {
            changed = self.news.changed() => Ok(changed.is_ok()),
            () = tokio::time::sleep(rest) => Ok(false),
        }
    }

    async fn may_listen(&self) -> Result<bool> {
        match self.devices.access.recognise(&self.proof).await {
            Ok(caller) => Ok(caller.project() == self.caller.project()),
            Err(Error::Unauthenticated(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for PresenceStream {
    fn drop(&mut self) {
        self.devices.joined.listeners.dismiss(self.caller.key().cloned());
    }
}
