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

use crate::devices::listeners::Listeners;
use crate::devices::member::{Member, Order};
use crate::devices::owed::Owed;
use crate::devices::refusals;

/// The members of this node, and the signals about them.
#[derive(Default)]
pub struct JoinedDevices {
    pub(crate) table: Mutex<Table>,
    pub(crate) serial: AtomicU64,
    /// Rises when an agent joins or leaves. Tasks that wait for an agent or watch one look again.
    pub(crate) movements: watch::Sender<u64>,
    /// The revision that was enforced last. On a change, connectors that watch peers check their
    /// permission again.
    pub(crate) rules: watch::Sender<i64>,
    pub(crate) listeners: Listeners,
    pub(crate) leaves: Owed,
    /// Rises when a session ends. Connectors that wait for its slot try again.
    pub(crate) vacancies: watch::Sender<u64>,
    /// Rises with every round of enforcement. A round may overlook a member that joins meanwhile.
    pub(crate) rounds: AtomicU64,
    pub(crate) key: tokio::sync::OnceCell<EndpointKey>,
}

/// The members of this node and the sessions between them.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) members: HashMap<u64, Arc<Member>>,
    pub(crate) listening: HashMap<CloudAddress, Arc<Member>>,
    pub(crate) sessions: HashMap<u64, SessionEntry>,
    /// The number of sessions of each connecting address.
    pub(crate) of_connectors: HashMap<CloudAddress, usize>,
    /// The number of joined connectors of each address.
    pub(crate) connectors: HashMap<CloudAddress, usize>,
    pub(crate) closing: bool,
}

impl Table {
    /// Removes a session that is over.
    pub(crate) fn forget_session(&mut self, serial: u64) {
        if let Some(SessionEntry { viewer: Viewer::Connector { address, .. }, .. }) =
            self.sessions.remove(&serial)
        {
            one_less(&mut self.of_connectors, &address);
        }
    }
}

/// Decrements a count, and removes it when it reaches 0.
pub(crate) fn one_less(counts: &mut HashMap<CloudAddress, usize>, address: &CloudAddress) {
    if let Some(count) = counts.get_mut(address) {
        *count -= 1;
        if *count == 0 {
            counts.remove(address);
        }
    }
}

/// The viewer's end of a session.
#[derive(Clone, Debug)]
pub(crate) enum Viewer {
    /// A connector, under the access rule.
    Connector { serial: u64, address: CloudAddress, project: ProjectId, origin: Origin },
    /// The gateway, for a console of this project or a viewer in the repeater's protocol.
    Gateway { who: String, project: ProjectId, origin: Origin },
}

/// A session, and the token that cuts it.
pub(crate) struct SessionEntry {
    pub(crate) viewer: Viewer,
    pub(crate) listener: CloudAddress,
    pub(crate) cut: CancellationToken,
}

impl SessionEntry {
    /// Returns whether this member, a connector, requested the session.
    pub(crate) fn is_of(&self, member: u64) -> bool {
        matches!(self.viewer, Viewer::Connector { serial, .. } if serial == member)
    }
}

impl JoinedDevices {
    /// Returns a number that no other member or session of this node has had.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the agent at this address.
    #[must_use]
    pub fn listening(&self, address: &CloudAddress) -> Option<Arc<Member>> {
        self.table.lock().listening.get(address).cloned()
    }

    /// Returns two channels: one changes with every join or leave of an agent, the other when
    /// rights may have changed.
    #[must_use]
    pub fn watch(&self) -> (watch::Receiver<u64>, watch::Receiver<i64>) {
        (self.movements.subscribe(), self.rules.subscribe())
    }

    /// Waits until an agent other than the one with this serial number listens at this address.
    pub async fn wait_for(&self, address: &CloudAddress, other_than: Option<u64>) {
        let mut movements = self.movements.subscribe();
        while self.listening(address).is_none_or(|member| Some(member.serial) == other_than) {
            if movements.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns the number of joined agents and connectors.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table.lock().members.len()
    }

    /// Returns the number of device sessions at this node.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.table.lock().sessions.len()
    }

    /// Refuses new joins and disconnects all members.
    pub fn close(&self, refusal: &Refusal) {
        self.table.lock().closing = true;
        self.send_away(refusal);
        self.listeners.close();
    }

    /// Disconnects the members that joined under an address of this key, and ends their sessions.
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

    /// Disconnects the members that joined under this address, and ends their sessions.
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

    /// Disconnects all members and ends their sessions.
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

    /// Makes every listener check its permission again, although the store reports no change.
    pub(crate) fn look_again(&self) {
        self.rules.send_modify(|_| ());
        self.listeners.look_again();
    }
}
