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
pub mod data;
#[doc(hidden)]
pub mod fuzz;
pub mod gateway;
pub mod http;
pub mod listener;
pub mod migration;
pub mod relay;
mod router;
mod server;
mod start_error;
mod upstream;
pub mod web;

pub use transom_config as config;

pub use relay::repeater::Kind as RepeaterKind;
pub use server::{Options, Server, Tls};
pub use start_error::StartError;
