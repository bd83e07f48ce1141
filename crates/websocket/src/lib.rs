//! The part of WebSocket (RFC 6455) that a console needs, for both roles and without I/O.
//!
//! Bytes go in; bytes, signals and errors come out. The payload of binary frames is unmasked in the
//! buffer into which it was read and passed on as it arrives, so no whole message is stored.
//!
//! | module | what it holds |
//! |---|---|
//! | [`upgrade`] | the opening handshake: the headers of a request and of its answer |
//! | [`client`] | the client's side: the request, the check of its answer, masked frames |
//! | [`frame`] | outgoing frames and their headers |
//! | [`deframer`] | incoming frames: payloads, text messages, pings and the close |

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod client;
pub mod deframer;
pub mod frame;
#[doc(hidden)]
pub mod fuzz;
pub mod upgrade;
