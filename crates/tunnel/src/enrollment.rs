//! Enrollment: a device without an address proves that it has a token, and sends the verifier of a
//! password that it has generated.
//!
//! The device proves possession of the token without sending it. The proof covers the device's
//! verifier and, like the proof of a join, the TLS connection that carries it (RFC 5802 §6). A man
//! in the middle that terminates TLS therefore cannot use the proof.

use crate::scram::{self, Channel, Exporter, ScramError};
use crate::words::Binding;

/// A label in the bytes that a proof covers, so that a proof for one purpose is never valid for
/// another.
const PROVING: &[u8] = b"transom enrol v2 ";

/// A device's request for an address. The server stores a SCRAM verifier of the device's password
/// (RFC 5802 §3), with one iteration, and never sees the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// The id of the device's token.
    pub id: [u8; 16],
    /// The salt of the device's password.
    pub salt: [u8; 16],
    /// The key that verifies proofs of the password.
    pub stored_key: [u8; 32],
    /// The key with which the server proves its own identity.
    pub server_key: [u8; 32],
    /// The proof that the device has the token, made over [`Enrollment::message`].
    pub proof: [u8; 32],
    /// The channel binding of that proof, in the form of RFC 5802 §7 (channel-binding).
    pub binding: String,
}

impl Enrollment {
    /// Sets the channel binding, and returns the message over which the proof must be made.
    #[must_use]
    pub fn bind(mut self, offered: Binding, exporter: Option<&Exporter>) -> (Self, Vec<u8>) {
        let (header, bound) = scram::header(offered, exporter);
        self.binding = scram::bound_by(header, bound);
        let message = self.signed();
        (self, message)
    }

    /// The message over which the proof must have been made. Returns an error if the binding does
    /// not match this connection.
    pub fn message(&self, channel: Channel<'_>) -> Result<Vec<u8>, ScramError> {
        channel.judge_binding(&self.binding)?;
        Ok(self.signed())
    }

    fn signed(&self) -> Vec<u8> {
        let Self { id, salt, stored_key, server_key, proof: _, binding } = self;
        // All fields but the last have a fixed length.
        [PROVING, id, salt, stored_key, server_key, binding.as_bytes()].concat()
    }
}

impl std::fmt::Debug for Enrollment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrollment(..)")
    }
}
