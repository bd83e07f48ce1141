//! The gateway: carries a console between a viewer and an instance.
//!
//! ```text
//! entrance   WebSocket upgrade or CONNECT: admits a viewer to a session
//!    │
//! session    greet the viewer → dial → commit the use → viewer's handshake → pump → close
//!    ├── dial       reach the instance and authenticate to it (RFB, VNC authentication, VeNCrypt)
//!    │     ├── attempts      the first of a name's addresses that answers
//!    │     └── access_path   ask a hypervisor for one of its consoles by CONNECT first
//!    ├── reception  attends to the viewer during the dial
//!    ├── link       the viewer's side: raw bytes or WebSocket frames
//!    │     ├── channel       messages between page and gateway beside RFB
//!    │     └── pace          the length of the frames to a viewer
//!    ├── pump       both directions; holds no buffer while no bytes move
//!    └── beats      the moments of the beats to a viewer, different for each session
//!
//! endpoint_test  dials without a viewer, and reports each step
//! ```

mod access_path;
pub mod channel;
pub mod dial;
mod dial_attempts;
pub mod endpoint_test;
mod endpoint_tls;
mod endpoint_websocket;
pub mod entrance;
pub mod limits;
pub mod link;
mod pace;
mod pump;
mod reception;
pub mod session;
mod viewer_beats;
