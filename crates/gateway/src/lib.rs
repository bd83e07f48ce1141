//! The gateway: carries a console between a viewer and an instance.
//!
//! ```text
//! entrance   WebSocket upgrade or CONNECT: who may come in, with which session
//!    │
//! session    greet the viewer → dial → commit the use → viewer's handshake → pump → close with a reason
//!    ├── dial       reach the instance and authenticate to it (RFB, VNC authentication, VeNCrypt)
//!    │     ├── attempts      of a name's addresses, the one that answers first
//!    │     └── access_path   ask a hypervisor for one of its consoles by CONNECT first
//!    ├── reception  keeps the viewer company while the instance is dialled
//!    ├── link       the viewer's side: raw bytes or WebSocket frames
//!    │     └── channel       what page and gateway say to each other beside RFB
//!    │     └── pace          how long the frames to a viewer are
//!    ├── pump       both directions, with nothing held while nothing moves
//!    └── beats      when a viewer is beaten, each at a moment of its own
//! ```

mod access_path;
mod attempts;
mod beats;
pub mod channel;
pub mod dial;
pub mod entrance;
pub mod limits;
pub mod link;
mod pace;
mod pump;
mod reception;
pub mod session;
mod verify;
