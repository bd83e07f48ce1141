//! The devices and viewers that are joined at this node, and the sessions between them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use transom_model::access_key::AccessKeyId;
use transom_model::audit::Origin;
use transom_model::cloud::CloudAddress;
use transom_model::id::ProjectId;
use transom_tunnel::{EndpointKey, Refusal};

use super::listeners::Listeners;
use super::member::{Member, Order};
use super::owed::Owed;
use super::refusals;

/// Everybody who is joined at this node.
#[derive(Default)]
pub struct Devices {
    pub(super) table: Mutex<Table>,
    pub(super) serial: AtomicU64,
    /// Rises with every agent that joins or goes: who waits for one, or watches it, looks again.
    pub(super) movements: watch::Sender<u64>,
    /// The revision that was enforced last: who watches peers looks whether it still may.
    pub(super) rules: watch::Sender<i64>,
    pub(super) listeners: Listeners,
    pub(super) leaves: Owed,
    /// Rises with every session that ends: who waits for its place looks again.
    pub(super) vacancies: watch::Sender<u64>,
    /// Rises with every round of enforcement: who joined meanwhile was perhaps not seen by it.
    pub(super) rounds: AtomicU64,
    pub(super) key: tokio::sync::OnceCell<EndpointKey>,
}

/// The members of this node and the sessions between them.
#[derive(Default)]
pub(super) struct Table {
    pub(super) members: HashMap<u64, Arc<Member>>,
    pub(super) listening: HashMap<CloudAddress, Arc<Member>>,
    pub(super) sessions: HashMap<u64, SessionEntry>,
    /// How many of these each connecting address has.
    pub(super) of_connectors: HashMap<CloudAddress, usize>,
    /// How many connectors have joined under each address.
    pub(super) connectors: HashMap<CloudAddress, usize>,
    pub(super) closing: bool,
}

impl Table {
    /// A session is over.
    pub(super) fn forget_session(&mut self, serial: u64) {
        if let Some(SessionEntry { viewer: Viewer::Connector { address, .. }, .. }) =
            self.sessions.remove(&serial)
        {
            one_less(&mut self.of_connectors, &address);
        }
    }
}

/// Counts one less; what has none is forgotten.
pub(super) fn one_less(counts: &mut HashMap<CloudAddress, usize>, address: &CloudAddress) {
    if let Some(count) = counts.get_mut(address) {
        *count -= 1;
        if *count == 0 {
            counts.remove(address);
        }
    }
}

/// Who is at the viewer's end.
#[derive(Clone, Debug)]
pub(super) enum Viewer {
    /// A connector, under the access rule.
    Connector { serial: u64, address: CloudAddress, project: ProjectId, origin: Origin },
    /// The gateway, for a console of this project or a viewer in the repeater's protocol.
    Gateway { who: String, project: ProjectId, origin: Origin },
}

/// A session, and the token that cuts it.
pub(super) struct SessionEntry {
    pub(super) viewer: Viewer,
    pub(super) listener: CloudAddress,
    pub(super) cut: CancellationToken,
}

impl SessionEntry {
    /// True of a session that this member, a connector, asked for.
    pub(super) fn is_of(&self, member: u64) -> bool {
        matches!(self.viewer, Viewer::Connector { serial, .. } if serial == member)
    }
}

impl Devices {
    /// A number that no other member or session of this node has had.
    pub(super) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Whoever is reached under this address.
    #[must_use]
    pub fn listening(&self, address: &CloudAddress) -> Option<Arc<Member>> {
        self.table.lock().listening.get(address).cloned()
    }

    /// What changes whenever an agent joins or goes, and whenever somebody's rights may have changed.
    #[must_use]
    pub fn watch(&self) -> (watch::Receiver<u64>, watch::Receiver<i64>) {
        (self.movements.subscribe(), self.rules.subscribe())
    }

    /// Waits until somebody listens at this address who is not this one.
    pub async fn wait_for(&self, address: &CloudAddress, other_than: Option<u64>) {
        let mut movements = self.movements.subscribe();
        while self.listening(address).is_none_or(|member| Some(member.serial) == other_than) {
            if movements.changed().await.is_err() {
                return;
            }
        }
    }

    /// How many agents and connectors are joined here.
    #[must_use]
    pub fn joined(&self) -> usize {
        self.table.lock().members.len()
    }

    /// How many sessions of devices pass here.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.table.lock().sessions.len()
    }

    /// Takes nobody in any more, and sends all away.
    pub fn close(&self, refusal: &Refusal) {
        self.table.lock().closing = true;
        self.send_away(refusal);
        self.listeners.close();
    }

    /// Sends away everybody who joined under this key's addresses, and ends the sessions with them.
    pub(crate) fn cut_key(&self, key: &AccessKeyId) {
        let table = self.table.lock();
        let gone: Vec<_> = table.members.values().filter(|member| member.key == *key).collect();
        for member in &gone {
            member.order(Order::End(refusals::gone("its access key was revoked")));
        }
        for entry in table.sessions.values() {
            if gone.iter().any(|member| entry.listener == member.address || entry.is_of(member.serial)) {
                entry.cut.cancel();
            }
        }
    }

    /// Sends away who joined under this address, and ends the sessions with it.
    pub(crate) fn cut_address(&self, address: &CloudAddress) {
        let table = self.table.lock();
        let gone: Vec<_> = table.members.values().filter(|member| member.address == *address).collect();
        for member in &gone {
            member.order(Order::End(refusals::gone("the address was removed")));
        }
        for entry in table.sessions.values() {
            if entry.listener == *address || gone.iter().any(|member| entry.is_of(member.serial)) {
                entry.cut.cancel();
            }
        }
    }

    /// Sends all away and ends their sessions.
    pub(crate) fn send_away(&self, refusal: &Refusal) {
        let (members, sessions) = {
            let table = self.table.lock();
            let members: Vec<_> = table.members.values().cloned().collect();
            let sessions: Vec<_> = table.sessions.values().map(|entry| entry.cut.clone()).collect();
            (members, sessions)
        };
        for member in members {
            member.order(Order::End(refusal.clone()));
        }
        for cut in sessions {
            cut.cancel();
        }
    }

    /// Lets every listener look whether it still may, though the store tells of no change.
    pub(crate) fn look_again(&self) {
        self.rules.send_modify(|_| ());
        self.listeners.look_again();
    }
}
