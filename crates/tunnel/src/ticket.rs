//! Dial tickets: with which the two data connections of one session find each other. Each side shows it once.
//!
//! Both ends of a session have its secret from the server, and nobody else has: with it each vouches for the end-to-end
//! connection that it sees. Somebody between the two who ends TLS sees two connections, and can vouch for neither.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroizing;

use crate::frame::FrameError;
use crate::message::Role;

const ID: usize = 16;
const SECRET: usize = 32;
/// What is vouched for, so that a proof is never one of something else.
const VOUCHING: &[u8] = b"transom end to end v1";
/// How long the proof is with which an end vouches.
pub const VOUCHER: usize = 32;

/// A ticket: a public id and a secret.
#[derive(Clone)]
pub struct Ticket {
    /// Its id, which logs may hold.
    pub id: [u8; ID],
    secret: Zeroizing<[u8; SECRET]>,
}

impl Ticket {
    /// How many random bytes a new ticket takes.
    pub const LENGTH: usize = ID + SECRET;

    /// The ticket of these bytes, `16 id · 32 secret`.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        let (mut id, mut secret) = ([0; ID], Zeroizing::new([0; SECRET]));
        id.copy_from_slice(&bytes[..ID]);
        secret.copy_from_slice(&bytes[ID..]);
        Self { id, secret }
    }

    pub(crate) fn bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..ID].copy_from_slice(&self.id);
        bytes[ID..].copy_from_slice(&*self.secret);
        bytes
    }

    pub(crate) fn prove(&self, label: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.secret));
        context.update(label);
        for part in parts {
            context.update(part);
        }
        let mut proof = [0; 32];
        proof.copy_from_slice(context.sign().as_ref());
        proof
    }

    pub(crate) fn proves(&self, label: &[u8], parts: &[&[u8]], proof: &[u8; 32]) -> bool {
        constant_time::verify_slices_are_equal(&self.prove(label, parts), proof).is_ok()
    }

    /// What this end says of the end-to-end connection whose exporter (RFC 9266 §4.2) this is.
    #[must_use]
    pub fn vouch(&self, role: Role, exporter: &[u8; 32]) -> [u8; VOUCHER] {
        self.prove(VOUCHING, &[&[role as u8], exporter])
    }

    /// Whether the other end, in that role, sees the same end-to-end connection.
    #[must_use]
    pub fn vouched(&self, role: Role, exporter: &[u8; 32], proof: &[u8; VOUCHER]) -> bool {
        self.proves(VOUCHING, &[&[role as u8], exporter], proof)
    }

    /// What a data connection's request says: the ticket, and which side shows it. For a header, never for a URL.
    #[must_use]
    pub fn shown_by(&self, role: Role) -> String {
        let role = if role == Role::Agent { "agent" } else { "connector" };
        format!("{role} {}", hex::encode(self.bytes()))
    }
}

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.bytes(), &other.bytes()).is_ok()
    }
}

impl Eq for Ticket {}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}, ..)", hex::encode(self.id))
    }
}

/// A ticket in the hands of one side.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    /// Who shows it.
    pub role: Role,
    /// What is shown.
    pub ticket: Ticket,
}

impl FromStr for Shown {
    type Err = FrameError;
    fn from_str(text: &str) -> Result<Self, FrameError> {
        let (role, digits) = text.split_once(' ').ok_or(FrameError::Short)?;
        let role = match role {
            "agent" => Role::Agent,
            "connector" => Role::Connector,
            _ => return Err(FrameError::Value("role")),
        };
        // What follows is a later version's.
        let digits = digits.split(' ').next().unwrap_or_default();
        let mut bytes = [0; Ticket::LENGTH];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| FrameError::Value("ticket"))?;
        Ok(Self { role, ticket: Ticket::from_bytes(bytes) })
    }
}
