//! Devices: who is joined at this node, who may reach whom, and which sessions run between them.
//!
//! ```text
//! join      a proof is verified ─► the epoch rises in the store ─► the newest is the one that is reached
//! connect   the access rule ─► a place in the table of sessions, which enforcement cuts
//! enforce   after every change: who is joined still may be, and every session is still allowed
//! ```

mod connect;
mod enforce;
mod join;
mod leaves;
mod legacy;
mod pins;
mod presence;
mod renewal;
mod sessions;
mod trail;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use transom_model::access_key::AccessKeyId;
use transom_model::audit::Origin;
use transom_model::cloud::{Action, AddressRecord, CloudAddress, Verifier};
use transom_model::id::ProjectId;
use transom_model::secret::TokenDigest;
use transom_tunnel::{EndpointKey, Fault, Refusal, Role, Ticket};

pub use connect::Listener;
pub(super) use join::unavailable;
pub use join::{Candidate, Membership, Wish};
pub use presence::{PresenceQuery, PresenceStream, Told};
pub use sessions::Place;

use presence::Listeners;
use sessions::{SessionEntry, Viewer};

/// How many orders may wait for one agent or connector. One that does not take them is as good as gone.
const ORDERS: usize = 64;

/// What the node asks of a connection that is joined here.
#[derive(Debug)]
pub enum Order {
    /// Come to the data connection of this ticket.
    Dial {
        /// The ticket.
        ticket: Ticket,
        /// The connection kept ready that becomes this session's.
        standby: Option<[u8; 16]>,
        /// `HOST:PORT` of the raw listener; empty: there is none.
        relay: String,
        /// Who connects.
        peer: String,
    },
    /// Open a data connection for a session to come.
    Standby {
        /// The ticket.
        ticket: Ticket,
        /// `HOST:PORT` of the raw listener; empty: there is none.
        relay: String,
    },
    /// A session that this connector asked for does not come about.
    Failed {
        /// The connector's call.
        call: u32,
        /// Why.
        refusal: Refusal,
    },
    /// It is over.
    End(Refusal),
}

/// Everybody who is joined at this node.
#[derive(Default)]
pub struct Devices {
    table: Mutex<Table>,
    serial: AtomicU64,
    /// Rises with every agent that joins or goes: who waits for one, or watches it, looks again.
    movements: watch::Sender<u64>,
    /// The revision that was enforced last: who watches peers looks whether it still may.
    rules: watch::Sender<i64>,
    listeners: Listeners,
    leaves: leaves::Owed,
    /// Rises with every session that ends: who waits for its place looks again.
    vacancies: watch::Sender<u64>,
    /// Rises with every round of enforcement: who joined meanwhile was perhaps not seen by it.
    rounds: AtomicU64,
    key: tokio::sync::OnceCell<EndpointKey>,
}

#[derive(Default)]
struct Table {
    members: HashMap<u64, Arc<Member>>,
    listening: HashMap<CloudAddress, Arc<Member>>,
    sessions: HashMap<u64, SessionEntry>,
    /// How many of these each connecting address has.
    of_connectors: HashMap<CloudAddress, usize>,
    /// How many connectors have joined under each address.
    connectors: HashMap<CloudAddress, usize>,
    closing: bool,
}

impl Table {
    fn forget_session(&mut self, serial: u64) {
        if let Some(SessionEntry { viewer: Viewer::Connector { address, .. }, .. }) =
            self.sessions.remove(&serial)
        {
            one_less(&mut self.of_connectors, &address);
        }
    }
}

fn one_less(counts: &mut HashMap<CloudAddress, usize>, address: &CloudAddress) {
    if let Some(count) = counts.get_mut(address) {
        *count -= 1;
        if *count == 0 {
            counts.remove(address);
        }
    }
}

/// One control connection that has proved who it is.
#[derive(Debug)]
pub struct Member {
    serial: u64,
    role: Role,
    address: CloudAddress,
    project: ProjectId,
    /// The access key whose address it was when it joined.
    key: AccessKeyId,
    shown: Shown,
    epoch: AtomicU64,
    /// Where it joined from, and with which program.
    origin: Origin,
    /// It was told why it has to go.
    superseded: AtomicBool,
    orders: mpsc::Sender<Order>,
}

/// What somebody has shown; it is worth nothing once the address has another one.
#[derive(Debug)]
enum Shown {
    /// A proof of the password that this is kept of.
    Password(Verifier),
    /// A repeater ticket.
    Ticket(TokenDigest),
}

impl Member {
    /// Whether what it has shown is good for the address as it is now.
    fn stands(&self, record: &AddressRecord, verifier: &Verifier) -> bool {
        match &self.shown {
            Shown::Password(shown) => shown == verifier,
            Shown::Ticket(shown) => record.repeater_ticket == Some(*shown),
        }
    }

    /// Whether it speaks the repeater's protocol: there is no end-to-end encryption with it.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        matches!(self.shown, Shown::Ticket(_))
    }

    /// What tells it from all others that were ever joined here.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &CloudAddress {
        &self.address
    }

    /// Where it joined from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether a newer one than this has joined, wherever, when the address had this epoch. One that is still joining has
    /// none to compare.
    fn is_older_than(&self, epoch: u64) -> bool {
        let own = self.epoch.load(Ordering::Acquire);
        self.role == Role::Agent && own != 0 && own < epoch
    }

    /// True of the join that had this epoch. One that is still joining has none, and nor has an address before its first.
    fn is_of(&self, epoch: u64) -> bool {
        self.role == Role::Agent && epoch != 0 && self.epoch.load(Ordering::Acquire) == epoch
    }

    /// Tells it that another one has come in its place; true the first time.
    fn supersede(&self) -> bool {
        tracing::warn!(address = %self.address, source = ?self.origin.source, "another agent has joined under this address");
        self.order(Order::End(Fault::Superseded.into()));
        !self.superseded.swap(true, Ordering::AcqRel)
    }

    /// Tells it that what it has shown is worth nothing any more; true the first time.
    fn end_for_good(&self, refusal: Refusal) -> bool {
        self.order(Order::End(refusal));
        !self.superseded.swap(true, Ordering::AcqRel)
    }

    /// Whether both have shown the same password or ticket.
    fn has_shown_what(&self, other: &Self) -> bool {
        match (&self.shown, &other.shown) {
            (Shown::Password(own), Shown::Password(others)) => own == others,
            // Either is good beside the other.
            _ => true,
        }
    }

    fn action(&self) -> Action {
        match self.role {
            Role::Agent => Action::Listen,
            Role::Connector => Action::Connect,
        }
    }

    /// Asks it for something; false where it does not take orders any more.
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }
}

impl Devices {
    fn next_serial(&self) -> u64 {
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
    pub(super) fn cut_key(&self, key: &AccessKeyId) {
        let table = self.table.lock();
        let gone: Vec<_> = table.members.values().filter(|member| member.key == *key).collect();
        for member in &gone {
            member.order(Order::End(enforce::gone("its access key was revoked")));
        }
        for entry in table.sessions.values() {
            if gone.iter().any(|member| entry.listener == member.address || entry.is_of(member.serial)) {
                entry.cut.cancel();
            }
        }
    }

    /// Sends away who joined under this address, and ends the sessions with it.
    pub(super) fn cut_address(&self, address: &CloudAddress) {
        let table = self.table.lock();
        let gone: Vec<_> = table.members.values().filter(|member| member.address == *address).collect();
        for member in &gone {
            member.order(Order::End(enforce::gone("the address was removed")));
        }
        for entry in table.sessions.values() {
            if entry.listener == *address || gone.iter().any(|member| entry.is_of(member.serial)) {
                entry.cut.cancel();
            }
        }
    }

    /// Sends all away and ends their sessions.
    pub(super) fn send_away(&self, refusal: &Refusal) {
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
}
