//! WebSocket (RFC 6455), the server's side, without I/O: just what a console needs.
//!
//! Bytes go in; bytes, signals and errors come out. The payload of binary frames passes in pieces,
//! in the buffer that it was read into: no message is held.
//!
//! | module | what it holds |
//! |---|---|
//! | [`upgrade`] | the opening handshake: a request's headers, and those of its answer |
//! | [`frame`] | the headers and the frames that are sent |
//! | [`deframer`] | the frames that come: payloads, text messages, pings and the close |

#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

pub mod deframer;
pub mod frame;
#[doc(hidden)]
pub mod fuzz;
pub mod upgrade;
