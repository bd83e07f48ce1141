//! The device protocol, without I/O. Its flow stands in the modules: join and connect in `message`, the session in `opening`;
//! `docs/PROTOCOL.md` tells it as a whole, with the rule by which versions live together.
//!
//! ```text
//! control connection   frame (its layout) · message (its words) · scram (who is it)
//! data connection      ticket (which session), by an upgrade or on the relay listener (raw) · then opaque bytes
//! inside those bytes   end_to_end (TLS 1.3, raw public keys) · opening (which target, and whether it is there)
//! ```

pub mod end_to_end;
pub mod endpoint_key;
pub mod enrolment;
pub mod fault;
pub mod frame;
#[doc(hidden)]
pub mod fuzz;
pub mod message;
pub mod opening;
pub mod raw;
pub mod renewal;
pub mod report;
pub mod scram;
pub mod ticket;
pub mod trust;
mod version;
mod wire;

pub use end_to_end::peer_key;
pub use endpoint_key::{EndpointKey, PublicKey};
pub use enrolment::Enrolment;
pub use fault::{Fault, Refusal, Retry};
pub use frame::FrameError;
pub use message::{Availability, Binding, Cause, Message, Role};
pub use renewal::Renewal;
pub use report::Report;
pub use ticket::Ticket;
pub use version::Versions;

/// What both kinds of connection ask to be upgraded to.
pub const UPGRADE: &str = "transom-tunnel";
/// Where agents and connectors join.
pub const CONTROL_PATH: &str = "/tunnel/v1/control";
/// Where a session's bytes pass.
pub const DATA_PATH: &str = "/tunnel/v1/data";
/// The header that carries a ticket.
pub const TICKET_HEADER: &str = "transom-ticket";
/// The label of the channel binding (RFC 9266 §4.2).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
