//! The layer below every protocol of the server: streams, listeners, limits on connections, and the
//! movement of bytes.
//!
//! | item | purpose |
//! |---|---|
//! | [`Stream`] | one type for TCP, unix sockets and TLS, preceded by bytes that were read ahead |
//! | [`bind`], [`each_connection`] | listening, and the loop that accepts connections |
//! | [`prepare`] | keepalive: the time until a vanished peer is noticed |
//! | [`mover`] | the bulk mover: the bytes of one direction, from a stream to a peer |
//! | [`Outbox`] | bytes that wait until a peer takes them |
//! | [`scratch`] | the buffer that each thread lends for the duration of one poll |
//! | `splice` | bulk from one TCP connection to another, inside the kernel (Linux) |
//! | [`budget`] | the number of connections that each source may have, and all together |
//! | [`network`] | the networks that count as one source |
//! | [`deadline()`] | waits with a limit |
//! | [`provider`] | the provider of cryptography for TLS |

mod accept;
pub mod budget;
mod crypto_provider;
mod deadline;
mod keepalive;
pub mod mover;
pub mod network;
mod outbox;
#[cfg(target_os = "linux")]
mod probes;
pub mod scratch;
#[cfg(target_os = "linux")]
pub mod splice;
mod stream;

pub use accept::{bind, each_connection};
pub use crypto_provider::provider;
pub use deadline::deadline;
pub use keepalive::prepare;
pub use outbox::Outbox;
pub use stream::{Layer, Stream, poll_read_some};
