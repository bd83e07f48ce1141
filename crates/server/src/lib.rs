//! The server as a library. `transom serve` adds the command line.
//!
//! ```text
//! listener ─► router ─► api (dialects) ─► app (use cases) ─► store
//!     │          └────► web (pages, exchange) ─┐     └────► sources (an existing OpenStack cloud)
//!     │          ├────► relay (devices) ───────┤
//!     └─ CONNECT ────────────────────► gateway ┴► app, rfb
//! ```

pub mod data;
#[doc(hidden)]
pub mod fuzz;
pub mod listener;
pub mod migration;
mod router;
mod server;
mod start_error;
pub mod web;

pub use server::{Options, Server, Tls};
pub use start_error::StartError;
pub use transom_relay::repeater::Kind as RepeaterKind;
