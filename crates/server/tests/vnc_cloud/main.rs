//! VNC Cloud API through the front door. Each test's name, or a comment in it, holds the requirement that it checks:
//! `docs/dialects/vnc-cloud.md` lists them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod conditions;
mod create;
mod faults;
mod lifecycle;
mod list;
mod proxies;
mod stage;
mod transport;
