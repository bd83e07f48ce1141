//! The RFB protocol (RFC 6143 and the registry of extensions) without I/O.
//!
//! Bytes go in; bytes, events and errors come out. No function here opens a socket, reads a clock
//! or starts a task, so the whole protocol can be tested by calling functions.
//!
//! `client` and `server` have their RFC meaning: a *client message* travels from a viewer to an
//! instance. The two ends that a gateway talks to are the *instance side* and the *viewer side*.
//!
//! ```text
//!  viewer                      gateway                        instance
//!    │   ProtocolVersion …  ViewerHandshake │ InstanceHandshake  … ProtocolVersion   │
//!    │   ← offers None only                 │   None, VNC authentication, VeNCrypt → │
//!    │   ServerInit  ←──────── raw bytes ───┼─────────────────────────── ServerInit  │
//!    │   client messages ────► ClientFilter ┼──────────────────────────────────────► │
//!    │   ◄──────────────────────────────────┼──────── server messages, untouched     │
//! ```
//!
//! * [`version`], [`security`], [`vencrypt`], [`encoding`]: the tables of numbers on the wire, with
//!   their display names
//! * [`vnc_auth`]: the DES challenge of VNC authentication
//! * [`init`], [`pixel_format`]: ServerInit and the layout of a pixel
//! * [`instance`], [`viewer`]: the two handshake machines
//! * [`client_message`], [`client_filter`]: a viewer's messages: length, meaning and rights
//! * [`announcement`]: the extensions that an instance knows, as far as rights depend on them
//! * [`server_message`]: the messages that a small RFB server writes
//! * [`limits`]: every bound, in one place

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod announcement;
pub mod client_filter;
pub mod client_message;
pub mod encoding;
#[doc(hidden)]
pub mod fuzz;
pub mod init;
pub mod instance;
mod items;
pub mod limits;
pub mod pixel_format;
mod printable;
pub mod security;
pub mod server_message;
pub mod vencrypt;
pub mod version;
pub mod viewer;
pub mod vnc_auth;
pub mod wire;

pub use announcement::{Announcements, Extensions};
pub use client_filter::{ClientFilter, ClientPolicy, ClipboardFate, Filtered};
pub use client_message::{ClientMessage, ClientMessageError};
pub use encoding::Encoding;
pub use init::ServerInit;
pub use instance::{
    InstanceCredentials, InstanceHandshake, InstanceHandshakeError, InstanceProgress, PlainLogin,
};
pub use pixel_format::PixelFormat;
pub use security::SecurityType;
pub use vencrypt::VeNCryptSubtype;
pub use version::Version;
pub use viewer::{ViewerHandshake, ViewerHandshakeError, ViewerProgress};
pub use vnc_auth::VncPassword;
