//! The connector: a viewer's side. It opens a door for viewers, and connects each of them to the
//! device.
//!
//! ```text
//! settings  the public type and its settings
//! service   joins, waits for the peer, then opens the door and accepts viewers
//! session   for each viewer: a ticket, a data connection, the end-to-end handshake, the answer
//! ```

mod event;
mod peer;
mod service;
mod session;
mod settings;

pub use event::Event;
pub use peer::Peer;
pub use settings::Connector;
