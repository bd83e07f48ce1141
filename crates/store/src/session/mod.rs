//! Sessions: reserve, commit, give back, detach, end, and the tickets with which a page resumes
//! one.
//!
//! ```text
//! reserve ─→ Reserved ─commit─→ Live ─detach─→ Detached ─present_ticket, commit─→ Live
//!               └─give_back──→ Ended ←─ end, sweep ─┘
//! ```
//!
//! Connections may carry a session one after another, each under a [`Hold`]. A newer hold
//! invalidates the older ones, so a connection that was taken over cannot end or detach its
//! successor's session.

mod commit;
mod draft;
mod ending;
mod hold;
mod record;
mod reservation;
mod resume_ticket;
mod standing;
mod sweep;
mod target;
mod to_end;

pub use commit::Commit;
pub use ending::{Ending, Traffic};
pub(crate) use ending::{Waiting, end_waiting};
pub use hold::Hold;
pub(crate) use record::read_state;
pub use reservation::{NewSession, Reservation};
pub use resume_ticket::{NewResumeTicket, ResumeTicketOutcome};
use standing::{allowed, moved, standing, verdict};
pub use sweep::Swept;
pub(crate) use sweep::{adopt, bury};
pub use target::ConsoleTarget;
pub use to_end::ToEnd;
