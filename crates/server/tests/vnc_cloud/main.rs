//! VNC Cloud API through the front door. The name of each test, or a comment in it, contains the
//! requirement that it checks: `docs/dialects/vnc-cloud.md` lists them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod conditions;
mod create;
mod faults;
mod lifecycle;
mod list;
mod proxies;
mod stage;
mod transport;
