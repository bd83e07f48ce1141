//! Members: devices and viewers that are joined, with their credentials and the orders to them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;
use transom_model::access_key::AccessKeyId;
use transom_model::audit::Origin;
use transom_model::cloud::{Action, AddressRecord, CloudAddress, Verifier};
use transom_model::id::ProjectId;
use transom_model::secret::TokenDigest;
use transom_tunnel::{MeetingTicket, Refusal, RefusalCode, Role};

/// The most orders that may wait for one agent or connector. A member that does not take them is
/// disconnected.
pub(crate) const ORDERS: usize = 64;

/// An order of the node to a joined connection.
#[derive(Debug)]
pub enum Order {
    /// Open the data connection for a session and present this ticket.
    Dial {
        /// The ticket.
        ticket: MeetingTicket,
        /// The standby connection that this session takes over, by the id of its ticket, if there
        /// is one.
        standby: Option<[u8; 16]>,
        /// `HOST:PORT` of the raw listener. Empty if there is none.
        relay: String,
        /// The peer that connects.
        peer: String,
    },
    /// Open a standby connection for a later session.
    Standby {
        /// The ticket.
        ticket: MeetingTicket,
        /// `HOST:PORT` of the raw listener. Empty if there is none.
        relay: String,
    },
    /// A session that this connector requested has failed.
    Failed {
        /// The number of the connector's request.
        call: u32,
        /// The reason.
        refusal: Refusal,
    },
    /// Disconnect for this reason.
    End(Refusal),
}

/// An authenticated control connection.
#[derive(Debug)]
pub struct Member {
    pub(crate) serial: u64,
    pub(crate) role: Role,
    pub(crate) address: CloudAddress,
    pub(crate) project: ProjectId,
    /// The access key that the address belonged to when the member joined.
    pub(crate) key: AccessKeyId,
    pub(crate) shown: Shown,
    pub(crate) epoch: AtomicU64,
    /// The address and the program of its join.
    pub(crate) origin: Origin,
    /// True once it was told the reason to leave.
    pub(crate) superseded: AtomicBool,
    pub(crate) orders: mpsc::Sender<Order>,
}

/// The credential that a peer presented. It is void once the address has another one.
#[derive(Debug)]
pub(crate) enum Shown {
    /// A proof of the password with this verifier.
    Password(Verifier),
    /// A repeater ticket.
    Ticket(TokenDigest),
}

impl Member {
    /// Returns whether its credential is valid for the address in its current state.
    pub(crate) fn stands(&self, record: &AddressRecord, verifier: &Verifier) -> bool {
        match &self.shown {
            Shown::Password(shown) => shown == verifier,
            Shown::Ticket(shown) => record.repeater_ticket == Some(*shown),
        }
    }

    /// Returns whether it uses the repeater's protocol, which has no end-to-end encryption.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        matches!(self.shown, Shown::Ticket(_))
    }

    /// Returns its serial number, which is unique at this node.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> &CloudAddress {
        &self.address
    }

    /// Returns the source address and the program of its join.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns whether a newer agent has joined at any node. `epoch` is the address's current one.
    /// A member that is still joining has no epoch to compare.
    pub(crate) fn is_older_than(&self, epoch: u64) -> bool {
        let own = self.epoch.load(Ordering::Acquire);
        self.role == Role::Agent && own != 0 && own < epoch
    }

    /// Returns whether its join had this epoch. A member that is still joining has no epoch, nor
    /// does an address before its first join.
    pub(crate) fn is_of(&self, epoch: u64) -> bool {
        self.role == Role::Agent && epoch != 0 && self.epoch.load(Ordering::Acquire) == epoch
    }

    /// Tells the member that another agent has replaced it. Returns true the first time.
    pub(crate) fn supersede(&self) -> bool {
        tracing::warn!(address = %self.address, source = ?self.origin.source, "another agent has joined under this address");
        self.order(Order::End(RefusalCode::Superseded.into()));
        !self.superseded.swap(true, Ordering::AcqRel)
    }

    /// Tells the peer that its credential is void. Returns true the first time.
    pub(crate) fn end_for_good(&self, refusal: Refusal) -> bool {
        self.order(Order::End(refusal));
        !self.superseded.swap(true, Ordering::AcqRel)
    }

    /// Returns false if both presented passwords and these differ.
    pub(crate) fn has_shown_what(&self, other: &Self) -> bool {
        match (&self.shown, &other.shown) {
            (Shown::Password(own), Shown::Password(others)) => own == others,
            // In any other pair, both may be valid.
            _ => true,
        }
    }

    /// The action of its side of a session.
    pub(crate) fn action(&self) -> Action {
        match self.role {
            Role::Agent => Action::Listen,
            Role::Connector => Action::Connect,
        }
    }

    /// Sends the member an order. Returns false if its queue is full or it is gone.
    pub fn order(&self, order: Order) -> bool {
        self.orders.try_send(order).is_ok()
    }
}
