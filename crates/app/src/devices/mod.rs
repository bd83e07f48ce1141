//! Devices: who is joined at this node, who may reach whom, and which sessions run between them.
//!
//! ```text
//! join      a proof is verified ─► the epoch rises in the store ─► the newest is the one that is reached
//! connect   the access rule ─► a place in the table of sessions, which enforcement cuts
//! enforce   after every change: who is joined still may be, and every session is still allowed
//! ```

mod connect;
mod device_keys;
mod dial;
mod enforce;
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
pub(super) use refusals::unavailable;
pub use sessions::Place;
pub use table::Devices;
