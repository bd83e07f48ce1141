//! The server as a library: `transom serve` is this with a command line in front.
//!
//! ```text
//! listener ─► router ─► api (dialects) ─► app (use cases) ─► store
//!     │          └────► web (pages, exchange) ─┐
//!     │          ├────► relay (devices) ◄──────┤
//!     └─ CONNECT ────────────────────► gateway ┴► app, rfb
//! app ─► upstream (an existing OpenStack cloud)
//! ```

pub mod api;
pub mod app;
pub mod config;
pub mod data;
#[doc(hidden)]
pub mod fuzz;
pub mod gateway;
pub mod http;
pub mod listener;
pub mod migration;
#[cfg(target_os = "linux")]
mod probes;
pub mod relay;
mod router;
mod server;
#[cfg(target_os = "linux")]
mod splice;
mod start_error;
mod stream;
mod upstream;
pub mod web;

pub use relay::repeater::Kind as RepeaterKind;
pub use server::{Options, Server, Tls};
pub use start_error::StartError;
