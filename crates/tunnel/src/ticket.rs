//! Meeting tickets, by which the server matches the two data connections of a session. Each side
//! presents the ticket once.
//!
//! The server gives the ticket's secret to both ends of a session, and to no one else. With it,
//! each end proves which end-to-end connection it sees. A man in the middle that terminates TLS
//! creates two connections, and cannot make the proof for either.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroizing;

use crate::frame::FrameError;
use crate::words::Role;

const ID: usize = 16;
const SECRET: usize = 32;
/// A label in the bytes that a proof covers, so that a proof for one purpose is never valid for
/// another.
const VOUCHING: &[u8] = b"transom end to end v1";
/// The length of a voucher.
pub const VOUCHER: usize = 32;

/// A ticket: a public id and a secret.
#[derive(Clone)]
pub struct MeetingTicket {
    /// The public id, which may appear in logs.
    pub id: [u8; ID],
    secret: Zeroizing<[u8; SECRET]>,
}

impl MeetingTicket {
    /// The number of random bytes in a new ticket.
    pub const LENGTH: usize = ID + SECRET;

    /// Creates a ticket from its bytes, `16 id · 32 secret`.
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

    /// The proof that this end sees the end-to-end connection with this exporter (RFC 9266 §4.2).
    #[must_use]
    pub fn vouch(&self, role: Role, exporter: &[u8; 32]) -> [u8; VOUCHER] {
        self.prove(VOUCHING, &[&[role as u8], exporter])
    }

    /// Returns whether the other end's proof shows that it sees the same end-to-end connection.
    /// `role` is the other end's.
    #[must_use]
    pub fn vouched(&self, role: Role, exporter: &[u8; 32], proof: &[u8; VOUCHER]) -> bool {
        self.proves(VOUCHING, &[&[role as u8], exporter], proof)
    }

    /// The value of the ticket header: the ticket, and the side that presents it. It must never
    /// appear in a URL.
    #[must_use]
    pub fn header(&self, role: Role) -> String {
        let role = if role == Role::Agent { "agent" } else { "connector" };
        format!("{role} {}", hex::encode(self.bytes()))
    }
}

impl PartialEq for MeetingTicket {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.bytes(), &other.bytes()).is_ok()
    }
}

impl Eq for MeetingTicket {}

impl fmt::Debug for MeetingTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeetingTicket({}, ..)", hex::encode(self.id))
    }
}

/// The parsed ticket header of a data connection.
#[derive(Debug, PartialEq, Eq)]
pub struct TicketHeader {
    /// The side that presents the ticket.
    pub role: Role,
    /// The ticket.
    pub ticket: MeetingTicket,
}

impl FromStr for TicketHeader {
    type Err = FrameError;
    fn from_str(text: &str) -> Result<Self, FrameError> {
        let (role, digits) = text.split_once(' ').ok_or(FrameError::Short)?;
        let role = match role {
            "agent" => Role::Agent,
            "connector" => Role::Connector,
            _ => return Err(FrameError::Value("role")),
        };
        // A later version may add fields.
        let digits = digits.split(' ').next().unwrap_or_default();
        let mut bytes = [0; MeetingTicket::LENGTH];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| FrameError::Value("ticket"))?;
        Ok(Self { role, ticket: MeetingTicket::from_bytes(bytes) })
    }
}
