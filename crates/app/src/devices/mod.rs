//! Devices: the devices that are joined at this node, their access rules, and their sessions.
//!
//! ```text
//! join      a proof is verified ─► the epoch rises in the store ─► the newest agent is reached
//! connect   the access rule ─► a slot in the table of sessions, which enforcement cuts
//! enforce   after each change: members must still be authenticated and sessions still allowed
//! ```

pub mod cloud_addresses;
mod connect;
mod device_keys;
mod dial;
mod enforce;
pub mod enrollments;
mod join;
mod leaves;
mod legacy;
mod listeners;
mod member;
mod owed;
mod presence;
mod records;
mod refusals;
mod renewal;
mod sessions;
mod table;
mod trail;

pub use connect::Listener;
pub use dial::DialDevice;
pub use join::{Candidate, Membership, Wish};
pub use member::{Member, Order};
pub use presence::{PresenceQuery, PresenceStream, Told};
pub(crate) use refusals::unavailable;
pub use sessions::Slot;
pub use table::JoinedDevices;

use std::sync::Arc;

use crate::access::Access;
use crate::budgets::guess_budget::GuessBudget;
use crate::core::Core;
use crate::metrics::Guesses;
use crate::revocations::Revocations;

/// Cloud addresses, and the devices that are joined at this node.
pub struct Devices {
    core: Arc<Core>,
    revocations: Arc<Revocations>,
    access: Arc<Access>,
    /// The agents and connectors that are joined at this node, and their sessions.
    pub joined: Arc<JoinedDevices>,
    /// Wrong tickets of repeater devices. A device's guesses do not delay viewers.
    pub(crate) device_guesses: GuessBudget,
    /// Wrong numbers of repeater viewers.
    pub(crate) viewer_guesses: GuessBudget,
}

impl Devices {
    pub(crate) fn new(
        core: Arc<Core>,
        revocations: Arc<Revocations>,
        access: Arc<Access>,
        joined: Arc<JoinedDevices>,
    ) -> Arc<Self> {
        let repeater = core.config.repeater;
        let (each, in_all) =
            (repeater.wrong_tickets_per_minute, Some(repeater.wrong_tickets_per_minute_in_all));
        Arc::new(Self {
            core,
            revocations,
            access,
            joined,
            device_guesses: GuessBudget::new(Guesses::RepeaterTickets, each, in_all),
            viewer_guesses: GuessBudget::new(Guesses::RepeaterNumbers, each, in_all),
        })
    }
}
