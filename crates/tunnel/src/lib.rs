//! The device protocol, without I/O. The modules describe its flow: `message` covers join and
//! connect, `opening` covers the session. `docs/PROTOCOL.md` describes the whole protocol, and how
//! versions coexist.
//!
//! ```text
//! control connection   frame (layout) · message (content) · scram (identity)
//! data connection      ticket (session), by an upgrade or on the raw listener (raw) · opaque bytes
//! inside those bytes   end_to_end (TLS 1.3, raw public keys) · opening (target and its answer)
//! ```

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod end_to_end;
pub mod endpoint_key;
pub mod enrollment;
pub mod frame;
#[doc(hidden)]
pub mod fuzz;
pub mod message;
pub mod opening;
pub mod public_key;
pub mod raw;
pub mod refusal;
pub mod renewal;
pub mod report;
pub mod scram;
pub mod ticket;
pub mod trust;
mod version;
mod wire;
mod words;

pub use end_to_end::peer_key;
pub use endpoint_key::EndpointKey;
pub use enrollment::Enrollment;
pub use frame::FrameError;
pub use message::Message;
pub use public_key::PublicKey;
pub use refusal::{Refusal, RefusalCode, Retry};
pub use renewal::Renewal;
pub use report::Report;
pub use ticket::MeetingTicket;
pub use version::Versions;
pub use words::{Availability, Binding, Cause, Role};

/// The protocol named in the `Upgrade` header, for both kinds of connection.
pub const UPGRADE: &str = "transom-tunnel";
/// The path where agents and connectors join.
pub const CONTROL_PATH: &str = "/tunnel/v1/control";
/// The path of a session's data connections.
pub const DATA_PATH: &str = "/tunnel/v1/data";
/// The header that carries a ticket.
pub const TICKET_HEADER: &str = "transom-ticket";
/// The label of the channel binding (RFC 9266 §4.2).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
