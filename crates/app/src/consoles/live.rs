//! The sessions that this node carries: the limits on their number, and the signals that end them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use transom_model::EndReason;
use transom_model::access_key::AccessKeyId;
use transom_model::dialect::Dialect;
use transom_model::end_reason::End;
use transom_model::grant::{Grant, MadeWith};
use transom_model::id::{GrantId, InstanceUid, SessionId};
use transom_store::Hold;

use transom_config::Limits;

/// The sessions that this node carries.
pub struct LiveSessions {
    table: Mutex<Table>,
    limits: Budget,
    count: watch::Sender<usize>,
}

struct Budget {
    per_grant: usize,
    per_key: usize,
    in_all: usize,
}

#[derive(Default)]
struct Table {
    sessions: HashMap<SessionId, Arc<Entry>>,
    by_grant: HashMap<GrantId, usize>,
    by_key: HashMap<AccessKeyId, usize>,
    closing: bool,
}

struct Entry {
    /// The number of this connection within its session. A later connection has a higher turn.
    turn: i64,
    of: Of,
    cut: Mutex<Option<oneshot::Sender<End>>>,
    traffic: Traffic,
}

/// The attributes of a session by which a revocation finds it.
#[derive(Clone, Debug)]
pub(crate) struct Of {
    pub(crate) grant: GrantId,
    pub(crate) key: Option<AccessKeyId>,
    pub(crate) instance: InstanceUid,
    pub(crate) dialect: Dialect,
    pub(crate) made_with: MadeWith,
}

impl Of {
    pub(crate) fn grant(grant: &Grant) -> Self {
        Self {
            grant: grant.id,
            key: grant.key.clone(),
            instance: grant.instance_uid,
            dialect: grant.dialect,
            made_with: grant.made_with,
        }
    }
}

/// Bytes that a session has carried.
#[derive(Debug, Default)]
pub struct Traffic {
    /// From the instance to the viewer.
    pub to_viewer: AtomicU64,
    /// From the viewer to the instance.
    pub to_instance: AtomicU64,
}

impl LiveSessions {
    pub(crate) fn new(limits: &Limits) -> Self {
        let limits = Budget {
            per_grant: limits.sessions_per_link,
            per_key: limits.sessions_per_key,
            in_all: limits.sessions,
        };
        Self { table: Mutex::default(), limits, count: watch::Sender::new(0) }
    }

    /// Registers a session's connection. If the node already carries the session, the older
    /// connection is told that it was taken over. Fails if the registered connection has a later
    /// turn.
    pub(crate) fn register(self: &Arc<Self>, hold: Hold, of: Of) -> Result<LiveSession, EndReason> {
        let Hold { session, turn } = hold;
        let (cut, told) = oneshot::channel();
        let entry = Arc::new(Entry { turn, of, cut: Mutex::new(Some(cut)), traffic: Traffic::default() });
        let Of { grant, key, .. } = &entry.of;
        let mut table = self.table.lock();
        if table.closing {
            return Err(EndReason::ShuttingDown);
        }
        if table.sessions.get(&session).is_some_and(|newer| newer.turn > turn) {
            return Err(EndReason::TakenOver);
        }
        // The newest connection takes over, and the previous one no longer counts.
        if let Some(before) = table.sessions.remove(&session) {
            table.forget(&before);
            before.tell(EndReason::TakenOver.into());
        }
        if table.sessions.len() >= self.limits.in_all {
            return Err(EndReason::Overloaded);
        }
        let of_key = key.as_ref().and_then(|key| table.by_key.get(key)).copied().unwrap_or(0);
        let of_grant = table.by_grant.get(grant).copied().unwrap_or(0);
        if of_grant >= self.limits.per_grant || of_key >= self.limits.per_key {
            return Err(EndReason::TooManySessions);
        }
        *table.by_grant.entry(*grant).or_default() += 1;
        if let Some(key) = key.clone() {
            *table.by_key.entry(key).or_default() += 1;
        }
        table.sessions.insert(session, Arc::clone(&entry));
        self.count.send_replace(table.sessions.len());
        Ok(LiveSession { sessions: Arc::clone(self), session, entry, told: Some(told) })
    }

    /// Tells the connection under this hold, or an older one, to end. Returns `false` if this node
    /// does not carry it.
    pub fn cut(&self, hold: Hold, end: End) -> bool {
        let entry = self.table.lock().sessions.get(&hold.session).cloned();
        entry.filter(|entry| entry.turn <= hold.turn).map(|entry| entry.tell(end)).is_some()
    }

    /// Tells every connection for which `which` returns true to end.
    pub(crate) fn cut_those(&self, end: &End, which: impl Fn(SessionId, &Of) -> bool) {
        let table = self.table.lock();
        for (session, entry) in &table.sessions {
            if which(*session, &entry.of) {
                entry.tell(end.clone());
            }
        }
    }

    /// Returns the hold of every connection.
    pub(crate) fn holds(&self) -> Vec<Hold> {
        let table = self.table.lock();
        table.sessions.iter().map(|(session, entry)| Hold { session: *session, turn: entry.turn }).collect()
    }

    /// Refuses new sessions from now on and tells all sessions to end.
    pub fn close(&self, end: &End) {
        self.table.lock().closing = true;
        self.cut_all(end);
    }

    /// Tells all sessions to end. New sessions are still accepted.
    pub fn cut_all(&self, end: &End) {
        let entries: Vec<_> = self.table.lock().sessions.values().cloned().collect();
        for entry in entries {
            entry.tell(end.clone());
        }
    }

    /// Returns whether new sessions are refused.
    pub fn is_closing(&self) -> bool {
        self.table.lock().closing
    }

    /// Returns the number of sessions.
    pub fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Returns the bytes that the session has carried. `None` if this node does not carry it.
    pub fn traffic(&self, session: SessionId) -> Option<transom_store::Traffic> {
        self.table.lock().sessions.get(&session).map(|entry| entry.traffic.read())
    }

    /// Waits until this node carries no session.
    pub async fn drained(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`.
        let _ = count.wait_for(|count| *count == 0).await;
    }
}

impl Table {
    fn forget(&mut self, entry: &Entry) {
        decrement(&mut self.by_grant, &entry.of.grant);
        if let Some(key) = &entry.of.key {
            decrement(&mut self.by_key, key);
        }
    }
}

fn decrement<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Entry {
    fn tell(&self, end: End) {
        if let Some(cut) = self.cut.lock().take() {
            // The session may already be ending.
            let _ = cut.send(end);
        }
    }
}

impl Traffic {
    fn read(&self) -> transom_store::Traffic {
        transom_store::Traffic {
            to_viewer: self.to_viewer.load(Ordering::Relaxed),
            to_instance: self.to_instance.load(Ordering::Relaxed),
        }
    }
}

/// A session's entry in the table. Dropping it removes the entry.
pub struct LiveSession {
    sessions: Arc<LiveSessions>,
    session: SessionId,
    entry: Arc<Entry>,
    told: Option<oneshot::Receiver<End>>,
}

impl LiveSession {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.session
    }

    /// Its byte counters.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.entry.traffic
    }

    /// Returns the bytes that the session has carried.
    #[must_use]
    pub fn bytes(&self) -> transom_store::Traffic {
        self.entry.traffic.read()
    }

    /// Takes the signal that tells this session to end. Returns `None` after the first call.
    pub fn cut_signal(&mut self) -> Option<oneshot::Receiver<End>> {
        self.told.take()
    }
}

impl Drop for LiveSession {
    fn drop(&mut self) {
        let mut table = self.sessions.table.lock();
        // A newer connection may be registered under the same id.
        if table.sessions.get(&self.session).is_some_and(|entry| Arc::ptr_eq(entry, &self.entry)) {
            table.sessions.remove(&self.session);
            table.forget(&self.entry);
        }
        self.sessions.count.send_replace(table.sessions.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn hold(session: u128, turn: i64) -> Hold {
        Hold { session: SessionId(Uuid::from_u128(session)), turn }
    }

    fn of(grant: GrantId) -> Of {
        let instance = InstanceUid(Uuid::from_u128(9));
        Of { grant, key: None, instance, dialect: Dialect::Api, made_with: MadeWith::default() }
    }

    fn sessions(per_grant: usize) -> Arc<LiveSessions> {
        Arc::new(LiveSessions::new(&Limits { sessions_per_link: per_grant, ..Limits::default() }))
    }

    #[test]
    fn the_newest_presenter_takes_over_and_the_previous_one_is_told() {
        let sessions = sessions(1);
        let grant = GrantId(Uuid::from_u128(2));
        let mut first = sessions.register(hold(1, 1), of(grant)).expect("first");
        let mut told = first.cut_signal().expect("signal");
        let second = sessions.register(hold(1, 2), of(grant)).expect("second");
        assert_eq!(told.try_recv().expect("told").reason, EndReason::TakenOver);
        drop(first);
        assert_eq!(sessions.count(), 1);
        drop(second);
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn an_older_presenter_that_comes_late_takes_nothing_over() {
        let sessions = sessions(9);
        let grant = GrantId(Uuid::from_u128(2));
        let mut newer = sessions.register(hold(1, 3), of(grant)).expect("newer");
        let mut told = newer.cut_signal().expect("signal");
        let late = sessions.register(hold(1, 2), of(grant)).err();
        assert_eq!(late, Some(EndReason::TakenOver));
        assert!(told.try_recv().is_err(), "nobody tells the newer one anything");
        assert_eq!(sessions.holds(), [hold(1, 3)]);
        drop(newer);
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn a_grant_has_a_budget_that_comes_back() {
        let sessions = sessions(1);
        let grant = GrantId(Uuid::from_u128(2));
        let first = sessions.register(hold(1, 1), of(grant)).expect("first");
        let refused = sessions.register(hold(3, 1), of(grant)).err();
        assert_eq!(refused, Some(EndReason::TooManySessions));
        drop(first);
        assert!(sessions.register(hold(3, 1), of(grant)).is_ok());
    }
}
