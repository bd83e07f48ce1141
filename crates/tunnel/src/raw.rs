//! The handshake of the raw relay listener, where a data connection without TLS claims its session.
//!
//! ```text
//! relay → peer   8 magic · 32 nonce
//! peer → relay   u8 role · 16 ticket's id · 32 HMAC
//! relay → peer   u8 verdict
//!
//! HMAC           HMAC-SHA256(ticket's secret, label ‖ nonce ‖ role ‖ id)
//! ```
//!
//! The secret is never sent, and the proof is valid on this connection only, because every
//! connection has its own nonce. The session's ciphertext follows the verdict.

use crate::frame::FrameError;
use crate::ticket::MeetingTicket;
use crate::words::Role;

/// The start of a relay's greeting; the last byte is the version.
const MAGIC: [u8; 8] = *b"TRANSOM\x01";
/// A label in the bytes that a proof covers, so that a proof for one purpose is never valid for
/// another.
const LABEL: &[u8] = b"transom raw data connection v1";
/// The random bytes that a relay draws for each connection.
pub const NONCE: usize = 32;
/// The length of a relay's greeting.
pub const GREETING: usize = MAGIC.len() + NONCE;
/// The length of the peer's claim.
pub const CLAIM: usize = 1 + 16 + 32;
/// The verdict: the session's bytes follow.
pub const WELCOME: u8 = 0;
/// The verdict: the ticket is not valid, or was shown before.
pub const REFUSED: u8 = 1;

/// The byte that an agent sends on a standby connection to bind it: from the next byte on, the
/// connection carries the session whose `Dial` named it.
pub const BOUND: u8 = 1;

/// The random bytes of a relay for one connection.
pub type Nonce = [u8; NONCE];

/// Encodes a relay's greeting.
#[must_use]
pub fn greeting(nonce: &Nonce) -> [u8; GREETING] {
    let mut bytes = [0; GREETING];
    for (slot, byte) in bytes.iter_mut().zip(MAGIC.iter().chain(nonce)) {
        *slot = *byte;
    }
    bytes
}

/// Reads the nonce from a relay's greeting. Returns an error if the other end is not a relay, or
/// has another version.
pub fn read_greeting(bytes: &[u8; GREETING]) -> Result<Nonce, FrameError> {
    match bytes.split_first_chunk() {
        Some((&MAGIC, rest)) => rest.try_into().map_err(|_| FrameError::Short),
        _ => Err(FrameError::Value("greeting")),
    }
}

/// The claim of one side to hold a ticket, with its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The side that claims.
    pub role: Role,
    /// The ticket's id.
    pub id: [u8; 16],
    proof: [u8; 32],
}

impl Claim {
    /// Makes the claim of a ticket's holder.
    #[must_use]
    pub fn of(ticket: &MeetingTicket, role: Role, nonce: &Nonce) -> Self {
        Self { role, id: ticket.id, proof: ticket.prove(LABEL, &[nonce, &[role as u8], &ticket.id]) }
    }

    /// Returns whether the claim was made with this ticket, on the connection with this nonce.
    #[must_use]
    pub fn is_of(&self, ticket: &MeetingTicket, nonce: &Nonce) -> bool {
        self.id == ticket.id && ticket.proves(LABEL, &[nonce, &[self.role as u8], &self.id], &self.proof)
    }

    /// Encodes the claim.
    #[must_use]
    pub fn encode(&self) -> [u8; CLAIM] {
        let mut bytes = [0; CLAIM];
        bytes[0] = self.role as u8;
        bytes[1..17].copy_from_slice(&self.id);
        bytes[17..].copy_from_slice(&self.proof);
        bytes
    }

    /// Decodes a claim.
    pub fn decode(bytes: &[u8; CLAIM]) -> Result<Self, FrameError> {
        let role = match bytes[0] {
            1 => Role::Agent,
            2 => Role::Connector,
            _ => return Err(FrameError::Value("role")),
        };
        let (mut id, mut proof) = ([0; 16], [0; 32]);
        id.copy_from_slice(&bytes[1..17]);
        proof.copy_from_slice(&bytes[17..]);
        Ok(Self { role, id, proof })
    }
}
