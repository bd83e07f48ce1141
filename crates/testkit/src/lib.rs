//! Test servers, fake VNC servers, WebSocket viewers and a fault proxy, for tests only.
//!
//! ```text
//!  Viewer ──(FaultProxy)──► TestServer ──► Instance
//!  sends, receives, closes     a real one       follows a Script, reports its input
//! ```
//!
//! Every connection is a real socket on loopback. Tests wait for events, with one deadline that
//! only a fault reaches ([`wait`]). Where minutes must pass, [`clock::pass`] advances the clock.

#![cfg_attr(
    feature = "front-door",
    expect(clippy::missing_panics_doc, reason = "a test kit fails by panicking")
)]

#[cfg(feature = "front-door")]
pub mod api;
#[cfg(any(feature = "front-door", feature = "components"))]
pub mod certificate;
#[cfg(feature = "components")]
pub mod chromium;
#[cfg(feature = "front-door")]
pub mod clock;
#[cfg(feature = "front-door")]
pub mod duplex;
#[cfg(feature = "front-door")]
pub mod fault;
#[cfg(feature = "components")]
pub mod forward_proxy;
pub mod full_disk;
#[cfg(feature = "front-door")]
pub mod instance;
#[cfg(feature = "front-door")]
pub mod interceptor;
#[cfg(feature = "components")]
pub mod internet;
#[cfg(any(feature = "front-door", feature = "components"))]
pub mod log;
pub mod postgres;
#[cfg(any(feature = "front-door", feature = "components"))]
pub mod process;
#[cfg(any(feature = "front-door", feature = "components"))]
pub mod program;
#[cfg(feature = "components")]
pub mod proxy;
#[cfg(feature = "components")]
pub mod qemu;
#[cfg(any(feature = "front-door", feature = "components"))]
pub mod scripted_broker;
#[cfg(feature = "front-door")]
pub mod server;
#[cfg(any(feature = "front-door", feature = "components"))]
pub mod transcript;
#[cfg(feature = "front-door")]
pub mod viewer;
#[cfg(any(feature = "front-door", feature = "components"))]
pub mod vncdotool;
#[cfg(feature = "front-door")]
pub mod wait;
#[cfg(feature = "components")]
pub mod websockify;
#[cfg(feature = "components")]
pub mod x11vnc;
#[cfg(feature = "components")]
pub mod xvnc;

#[cfg(feature = "front-door")]
pub use {
    api::{Answer, Api, Console, Key},
    fault::FaultProxy,
    instance::{Guest, Instance, Script, Step},
    interceptor::Interceptor,
    server::TestServer,
    viewer::{Closed, Opening, Refused, Viewer},
};
