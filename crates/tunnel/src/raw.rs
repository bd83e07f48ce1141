//! The raw relay listener: how a data connection says whose it is where nothing encrypts it.
//!
//! ```text
//! relay → peer   8 magic · 32 nonce
//! peer → relay   u8 role · 16 ticket's id · 32 HMAC-SHA256(ticket's secret, label ‖ nonce ‖ role ‖ id)
//! relay → peer   u8 verdict
//! ```
//!
//! The secret does not travel, and what does is worth nothing on another connection: its nonce is another one. What follows
//! the verdict is the session's ciphertext.

use crate::frame::FrameError;
use crate::message::Role;
use crate::ticket::Ticket;

/// With what a relay begins; the last byte is the version.
const MAGIC: [u8; 8] = *b"TRANSOM\x01";
/// What is proved, so that a proof is never one of something else.
const LABEL: &[u8] = b"transom raw data connection v1";
/// Random bytes of a relay for one connection.
pub const NONCE: usize = 32;
/// How long a relay's first words are.
pub const GREETING: usize = MAGIC.len() + NONCE;
/// How long the answer is.
pub const CLAIM: usize = 1 + 16 + 32;
/// The verdict: what follows is the session's.
pub const WELCOME: u8 = 0;
/// The verdict: the ticket is not valid, or was shown before.
pub const REFUSED: u8 = 1;

/// An agent's word on a connection that it kept ready: from the next byte on it is the session's that it was told of.
pub const BOUND: u8 = 1;

/// A relay's random bytes for one connection.
pub type Nonce = [u8; NONCE];

/// A relay's first words.
#[must_use]
pub fn greeting(nonce: &Nonce) -> [u8; GREETING] {
    let mut bytes = [0; GREETING];
    bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
    bytes[MAGIC.len()..].copy_from_slice(nonce);
    bytes
}

/// The nonce in a relay's first words; an error where it is no relay, or one of another version.
pub fn read_greeting(bytes: &[u8; GREETING]) -> Result<Nonce, FrameError> {
    match bytes.split_first_chunk() {
        Some((&MAGIC, rest)) => rest.try_into().map_err(|_| FrameError::Short),
        _ => Err(FrameError::Value("greeting")),
    }
}

/// Who says that it has a ticket, and what proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which side it is.
    pub role: Role,
    /// The ticket's id.
    pub id: [u8; 16],
    proof: [u8; 32],
}

impl Claim {
    /// The claim of this ticket's holder.
    #[must_use]
    pub fn of(ticket: &Ticket, role: Role, nonce: &Nonce) -> Self {
        Self { role, id: ticket.id, proof: ticket.prove(LABEL, &[nonce, &[role as u8], &ticket.id]) }
    }

    /// Whether it was made with this ticket, on the connection of this nonce.
    #[must_use]
    pub fn is_of(&self, ticket: &Ticket, nonce: &Nonce) -> bool {
        self.id == ticket.id && ticket.proves(LABEL, &[nonce, &[self.role as u8], &self.id], &self.proof)
    }

    /// The claim as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; CLAIM] {
        let mut bytes = [0; CLAIM];
        bytes[0] = self.role as u8;
        bytes[1..17].copy_from_slice(&self.id);
        bytes[17..].copy_from_slice(&self.proof);
        bytes
    }

    /// The claim of these bytes.
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
