//! What is said on a control connection.
//!
//! ```text
//! server                         agent or connector
//!   Hello ────────────────────────►
//!   ◄─────────────────────── Prove    SCRAM client-first
//!   Challenge ────────────────────►   SCRAM server-first
//!   ◄─────────────────────── Proof    SCRAM client-final
//!   Joined ───────────────────────►   SCRAM server-final; or Refused, and it is over
//!   ◄─────────────────────── Enrol    instead of Prove: a device that has no address yet
//!   Enrolled ─────────────────────►   its address, and it is over
//!   ◄──────────────── Ping … Pong ►   both ways, whenever it was silent
//!   ◄───────────── Ask, Connect       connector: is it there? a session, please
//!   Available, Meet, Failed ──────►   connector: the answers
//!   ◄─────────────────────── Watch    connector: tell me whenever it comes or goes
//!   Seen ─────────────────────────►   connector: it is there, it is not; at once, and at every change
//!   Dial ─────────────────────────►   agent: come to the data connection of this ticket
//!   Standby ──────────────────────►   agent: open a data connection for a session to come
//!   ◄───────────────────── Declined   agent: it will not
//!   Refused ──────────────────────►   the server ends it, and says when to come back
//! ```

use std::time::Duration;

use crate::enrolment::Enrolment;
use crate::fault::{Fault, Refusal, Retry};
use crate::frame::{FrameError, Inbox, frame};
use crate::ticket::Ticket;
use crate::wire::Reader;

/// The longest text in a message: a SCRAM message with an address, two nonces and a channel binding is half as long.
pub const MAX_TEXT: usize = 1024;

/// A connector may watch so many peers over one connection: each is looked up whenever somebody's rights change.
pub const MAX_WATCHED: usize = 64;

/// The longest `HOST:PORT`.
pub const MAX_PLACE: usize = 255;
const NO_STANDBY: [u8; 16] = [0; 16];

/// Which side of a session joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// A device: waits for connections.
    Agent = 1,
    /// A viewer's side: asks for connections.
    Connector = 2,
}

/// What the server can bind the proof to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Binding {
    /// Nothing: TLS ends in front of the server, or there is none.
    None = 0,
    /// The TLS connection's exporter (RFC 9266).
    TlsExporter = 1,
}

/// What a connector is told of a peer that it watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Availability {
    /// It may not be told, or the server cannot tell at this moment.
    Unknown = 0,
    /// It is there, and may be connected to.
    Available = 1,
    /// It is not there; or there is no such address.
    Unavailable = 2,
}

/// Why an agent does not come to a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// It cannot.
    Failed = 0,
    /// The gateway would be the other end, and it takes end-to-end connections only.
    EndToEndOnly = 1,
}

macro_rules! byte_enum {
    ($type:ident $what:literal $($variant:ident)+) => {
        impl $type {
            fn read(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
                let byte = reader.u8()?;
                $(if byte == Self::$variant as u8 { return Ok(Self::$variant); })+
                Err(FrameError::Value($what))
            }
        }
    };
}
byte_enum!(Role "role" Agent Connector);
byte_enum!(Binding "binding" None TlsExporter);
byte_enum!(Availability "availability" Unknown Available Unavailable);
byte_enum!(Cause "cause" Failed EndToEndOnly);

/// A message. One line of layout each; the numbers are never reused (`0x22` was one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Server → peer: how it speaks. `0x01 · u8 version · u8 binding`
    Hello {
        /// The protocol's version.
        version: u8,
        /// What the proof is to be bound to.
        binding: Binding,
    },
    /// Peer → server. `0x02 · u8 role · u8 end to end only · SCRAM client-first`
    Prove {
        /// Which side it is.
        role: Role,
        /// Of an agent: it takes nobody who could see what passes. Said before it is in, so that there is no moment in
        /// which the server does not know.
        end_to_end_only: bool,
        /// RFC 5802 §7.
        client_first: String,
    },
    /// Server → peer. `0x03 · SCRAM server-first`
    Challenge(String),
    /// Peer → server. `0x04 · SCRAM client-final`
    Proof(String),
    /// Server → peer: it is in. `0x05 · u16 seconds between heartbeats · SCRAM server-final`
    Joined {
        /// Who was silent for this long says `Ping`.
        heartbeat: Duration,
        /// The server's own proof.
        server_final: String,
    },
    /// Server → peer: it is over. `0x06 · u16 fault · u32 retry seconds (2³²−1: never) · detail`
    Refused(Refusal),
    /// Either way: are you there? `0x07`
    Ping,
    /// Either way: yes. `0x08`
    Pong,
    /// Connector → server: may I, and is it there? `0x10 · u32 call · u8 wait · peer's address`
    Ask {
        /// Answers carry it.
        call: u32,
        /// Whether to answer only when it is there.
        wait: bool,
        /// Whom.
        peer: String,
    },
    /// Connector → server: a session. `0x11 · u32 call · u32 bytes a second (0: no limit) · peer's address`
    Connect {
        /// Answers carry it.
        call: u32,
        /// How fast the relay may carry it, in bytes a second; 0: as fast as it goes.
        limit: u32,
        /// With whom.
        peer: String,
    },
    /// Server → connector: yes, it is there. `0x12 · u32 call`
    Available {
        /// Of this `Ask`.
        call: u32,
    },
    /// Server → connector: open the data connection. `0x13 · u32 call · 16 id · 32 secret · raw listener`
    Meet {
        /// Of this `Connect`.
        call: u32,
        /// What the data connection shows.
        ticket: Ticket,
        /// `HOST:PORT` of the raw listener; empty: there is none.
        relay: String,
    },
    /// Server → connector: no. `0x14 · u32 call · u16 fault · u32 retry seconds · detail`
    Failed {
        /// Of this `Ask` or `Connect`.
        call: u32,
        /// Why.
        refusal: Refusal,
    },
    /// Connector → server: tell me of it, from now on. `0x15 · u32 call · peer's address`
    Watch {
        /// What it is told carries it.
        call: u32,
        /// Whom.
        peer: String,
    },
    /// Server → connector: how it is with a peer that is watched. `0x16 · u32 call · u8 availability`
    Seen {
        /// Of this `Watch`.
        call: u32,
        /// How it is.
        availability: Availability,
    },
    /// Server → agent: open the data connection.
    /// `0x20 · 16 id · 32 secret · 16 standby (zeros: none) · u8 length · raw listener · who connects`
    Dial {
        /// What the data connection shows.
        ticket: Ticket,
        /// The standby connection that becomes this session's, by its ticket's id. An agent that has lost it opens another.
        standby: Option<[u8; 16]>,
        /// `HOST:PORT` of the raw listener; empty: there is none.
        relay: String,
        /// A connect address, or `gateway`.
        peer: String,
    },
    /// Server → agent: open a data connection that waits for a session. `0x23 · 16 id · 32 secret · raw listener`
    Standby {
        /// What the data connection shows.
        ticket: Ticket,
        /// `HOST:PORT` of the raw listener; empty: there is none.
        relay: String,
    },
    /// Agent → server: I will not. `0x21 · 16 id · u8 cause · why`
    Declined {
        /// Of this `Dial`.
        ticket: [u8; 16],
        /// For programs.
        cause: Cause,
        /// For people.
        why: String,
    },
    // 0x30 was Enrol with the token itself, and 0x31 Enrolled without a proof. Do not reuse.
    /// Device → server: an address, for a token and a password that the device has made itself.
    /// `0x32 · 16 id · 16 salt · 32 stored key · 32 server key · 32 proof · channel-binding`
    Enrol(Enrolment),
    /// Server → device: its address, and the server's own proof. `0x33 · 32 proof · address`
    Enrolled {
        /// Of somebody who keeps what the token is verified by.
        proof: [u8; 32],
        /// The address.
        address: String,
    },
}

impl Message {
    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello { version, binding } => frame(0x01, &[*version, *binding as u8]),
            Self::Prove { role, end_to_end_only, client_first } => {
                frame(0x02, &[&[*role as u8, u8::from(*end_to_end_only)], text(client_first)].concat())
            }
            Self::Challenge(server_first) => frame(0x03, text(server_first)),
            Self::Proof(client_final) => frame(0x04, text(client_final)),
            Self::Joined { heartbeat, server_final } => {
                let seconds = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX);
                frame(0x05, &[&seconds.to_be_bytes(), text(server_final)].concat())
            }
            Self::Refused(why) => frame(0x06, &refusal(why)),
            Self::Ping => frame(0x07, &[]),
            Self::Pong => frame(0x08, &[]),
            Self::Ask { call, wait, peer } => {
                frame(0x10, &[&call.to_be_bytes(), &[u8::from(*wait)][..], text(peer)].concat())
            }
            Self::Connect { call, limit, peer } => {
                frame(0x11, &[&call.to_be_bytes()[..], &limit.to_be_bytes(), text(peer)].concat())
            }
            Self::Available { call } => frame(0x12, &call.to_be_bytes()),
            Self::Meet { call, ticket, relay } => {
                frame(0x13, &[&call.to_be_bytes()[..], &ticket.bytes(), cut(relay, MAX_PLACE)].concat())
            }
            Self::Failed { call, refusal: why } => {
                frame(0x14, &[&call.to_be_bytes()[..], &refusal(why)].concat())
            }
            Self::Watch { call, peer } => frame(0x15, &[&call.to_be_bytes()[..], text(peer)].concat()),
            Self::Seen { call, availability } => {
                frame(0x16, &[&call.to_be_bytes()[..], &[*availability as u8]].concat())
            }
            Self::Dial { ticket, standby, relay, peer } => {
                let (standby, relay) = (standby.unwrap_or(NO_STANDBY), cut(relay, MAX_PLACE));
                // MAX_PLACE fits.
                let length = [u8::try_from(relay.len()).unwrap_or(0)];
                frame(0x20, &[&ticket.bytes()[..], &standby, &length, relay, text(peer)].concat())
            }
            Self::Declined { ticket, cause, why } => {
                frame(0x21, &[&ticket[..], &[*cause as u8], text(why)].concat())
            }
            Self::Standby { ticket, relay } => {
                frame(0x23, &[&ticket.bytes()[..], cut(relay, MAX_PLACE)].concat())
            }
            Self::Enrol(Enrolment { id, salt, stored_key, server_key, proof, binding }) => {
                frame(0x32, &[&id[..], salt, stored_key, server_key, proof, text(binding)].concat())
            }
            Self::Enrolled { proof, address } => frame(0x33, &[&proof[..], text(address)].concat()),
        }
    }

    /// The next whole message that has come.
    pub fn next(inbox: &mut Inbox) -> Result<Option<Self>, FrameError> {
        let Some((kind, payload)) = inbox.next_frame()? else { return Ok(None) };
        Self::decode(kind, &payload).map(Some)
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, FrameError> {
        let mut reader = Reader(payload);
        let r = &mut reader;
        let message = match kind {
            0x01 => Self::Hello { version: r.u8()?, binding: Binding::read(r)? },
            0x02 => Self::Prove {
                role: Role::read(r)?,
                end_to_end_only: read_flag(r)?,
                client_first: r.text(MAX_TEXT)?,
            },
            0x03 => Self::Challenge(r.text(MAX_TEXT)?),
            0x04 => Self::Proof(r.text(MAX_TEXT)?),
            0x05 => Self::Joined {
                heartbeat: Duration::from_secs(r.u16()?.into()),
                server_final: r.text(MAX_TEXT)?,
            },
            0x06 => Self::Refused(read_refusal(r)?),
            0x07 => Self::Ping,
            0x08 => Self::Pong,
            0x10 => Self::Ask { call: r.u32()?, wait: read_flag(r)?, peer: r.text(MAX_TEXT)? },
            0x11 => Self::Connect { call: r.u32()?, limit: r.u32()?, peer: r.text(MAX_TEXT)? },
            0x12 => Self::Available { call: r.u32()? },
            0x13 => Self::Meet {
                call: r.u32()?,
                ticket: Ticket::from_bytes(r.array()?),
                relay: r.text(MAX_PLACE)?,
            },
            0x14 => Self::Failed { call: r.u32()?, refusal: read_refusal(r)? },
            0x15 => Self::Watch { call: r.u32()?, peer: r.text(MAX_TEXT)? },
            0x16 => Self::Seen { call: r.u32()?, availability: Availability::read(r)? },
            0x20 => Self::Dial {
                ticket: Ticket::from_bytes(r.array()?),
                standby: Some(r.array()?).filter(|id| *id != NO_STANDBY),
                relay: r.short_text()?,
                peer: r.text(MAX_TEXT)?,
            },
            0x21 => Self::Declined { ticket: r.array()?, cause: Cause::read(r)?, why: r.text(MAX_TEXT)? },
            0x23 => Self::Standby { ticket: Ticket::from_bytes(r.array()?), relay: r.text(MAX_PLACE)? },
            0x32 => Self::Enrol(Enrolment {
                id: r.array()?,
                salt: r.array()?,
                stored_key: r.array()?,
                server_key: r.array()?,
                proof: r.array()?,
                binding: r.text(MAX_TEXT)?,
            }),
            0x33 => Self::Enrolled { proof: r.array()?, address: r.text(MAX_TEXT)? },
            other => return Err(FrameError::Type(other)),
        };
        reader.end()?;
        Ok(message)
    }
}

fn text(text: &str) -> &[u8] {
    cut(text, MAX_TEXT)
}

/// A text as bytes, cut at a character where it is too long.
fn cut(text: &str, max: usize) -> &[u8] {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.as_bytes().get(..end).unwrap_or_default()
}

const NEVER: u32 = u32::MAX;

fn refusal(refusal: &Refusal) -> Vec<u8> {
    let seconds = match refusal.retry {
        Retry::Never => NEVER,
        Retry::After(wait) => u32::try_from(wait.as_secs()).unwrap_or(NEVER - 1),
    };
    let detail = refusal.detail.as_deref().unwrap_or_default();
    [&(refusal.fault as u16).to_be_bytes()[..], &seconds.to_be_bytes(), text(detail)].concat()
}

fn read_refusal(reader: &mut Reader<'_>) -> Result<Refusal, FrameError> {
    let fault = Fault::from_number(reader.u16()?).ok_or(FrameError::Value("fault"))?;
    let retry = match reader.u32()? {
        NEVER => Retry::Never,
        seconds => Retry::After(Duration::from_secs(seconds.into())),
    };
    let detail = Some(reader.text(MAX_TEXT)?).filter(|detail| !detail.is_empty());
    Ok(Refusal { fault, retry, detail, advice: None })
}

fn read_flag(reader: &mut Reader<'_>) -> Result<bool, FrameError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(FrameError::Value("flag")),
    }
}
