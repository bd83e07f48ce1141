//! Zenlayer's API through the front door: the vendor's own SDK, and requests that no SDK would
//! send.

#![expect(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod bearer;
mod house;
mod lists;
mod proxies;
mod replays;
mod replies;
mod sdk;
mod viewer;
mod wire;
