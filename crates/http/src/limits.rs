//! Limits on the peers of the main port: on their time, and on the bodies that they send.

use std::time::Duration;

/// The time limit of a request head. It arrives in one piece, or within a few seconds over a bad
/// network. A longer limit would help slow-loris attacks.
pub const HEAD: Duration = Duration::from_secs(10);
/// The time limit of every answer. It also cuts off a body that trickles in.
pub const ANSWER: Duration = Duration::from_secs(30);
/// The time that answers in progress have to arrive when their connection is to end.
pub const FAREWELL: Duration = Duration::from_secs(5);

/// The limit on the body of any authenticated request. It has room for 24 group names of 256
/// four-byte characters in JSON escapes, and for certificates.
pub const BODY: usize = 256 * 1024;
/// The limit on an import: thousands of instances with passwords, or a thousand with certificates.
pub const IMPORT_BODY: usize = 8 * 1024 * 1024;
/// The limit on a body that proves the caller's identity: a login, with room for what clients add
/// to it.
pub const PROOF_BODY: usize = 16 * 1024;
/// The limit on a body that presents a token or a ticket: a few dozen bytes.
pub const TOKEN_BODY: usize = 4 * 1024;
/// The limit on a signed body, which is buffered before its signature is verified. A hundred ids
/// take a few KiB.
pub const SIGNED_BODY: usize = 64 * 1024;
