//! Enrolment: how a device that has no address yet says who it will be, and that it has a token.
//!
//! The token is proved, not shown. The proof covers what the device says of itself and, as a join's proof does, the TLS
//! connection that it says it over (RFC 5802 §6): whoever ends that TLS in between can pass on what is worth nothing.

use crate::message::Binding;
use crate::scram::{self, Channel, Exporter, ScramError};

/// What is proved, so that a proof is never one of something else.
const PROVING: &[u8] = b"transom enrol v2 ";

/// What a device says that has no address yet. The server keeps of its password what SCRAM keeps (RFC 5802 §3), with one
/// iteration, and never sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Which token it has.
    pub id: [u8; 16],
    /// Its password's salt.
    pub salt: [u8; 16],
    /// What proofs of its password are verified with.
    pub stored_key: [u8; 32],
    /// What the server proves itself with.
    pub server_key: [u8; 32],
    /// The proof that it has the token, over [`Enrolment::message`].
    pub proof: [u8; 32],
    /// What that proof is bound to, as SCRAM says it (RFC 5802 §7, channel-binding).
    pub binding: String,
}

impl Enrolment {
    /// Says what its proof is bound to, and gives the message that the proof is to be made over.
    #[must_use]
    pub fn bind(mut self, offered: Binding, exporter: Option<&Exporter>) -> (Self, Vec<u8>) {
        let (header, bound) = scram::header(offered, exporter);
        self.binding = scram::bound_by(header, bound);
        let message = self.signed();
        (self, message)
    }

    /// What the proof must have been made over, which must be bound as this connection can be.
    pub fn message(&self, channel: Channel<'_>) -> Result<Vec<u8>, ScramError> {
        channel.judge_binding(&self.binding)?;
        Ok(self.signed())
    }

    fn signed(&self) -> Vec<u8> {
        let Self { id, salt, stored_key, server_key, proof: _, binding } = self;
        // All but the last have one length.
        [PROVING, id, salt, stored_key, server_key, binding.as_bytes()].concat()
    }
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrolment(..)")
    }
}
