//! Cloud addresses: issue, lookup, changes and presence.

mod address;
mod change;
mod device_key;
mod enforced;
mod enrollment;
mod presence;
mod repeater;
mod row;

pub use address::{AddressQuery, NewAddress, Scope};
pub use change::{AddressChange, Guarded, Precondition};
pub use enrollment::{Enrolled, NewEnrollment, NewEnrollments};
pub(crate) use presence::forget_at;
pub use presence::{Joined, Joining, PresenceQuery};
pub use repeater::NewViewerId;
