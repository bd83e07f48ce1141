//! What is said on a control connection. Later versions add types, and fields behind those that there are; a reader skips both.
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
use crate::frame::{Frame, FrameError, Inbox};
use crate::renewal::Renewal;
use crate::report::Report;
use crate::ticket::Ticket;
use crate::version::Versions;
use crate::wire::Reader;

/// The longest text in a message: a SCRAM message with an address, two nonces and a channel binding is half as long.
pub const MAX_TEXT: usize = 1024;

/// A connector may watch so many peers over one connection: each is looked up whenever somebody's rights change.
pub const MAX_WATCHED: usize = 64;

/// The longest `HOST:PORT`.
pub const MAX_PLACE: usize = 255;
/// The longest name of a program with its version.
pub const MAX_PROGRAM: usize = 64;
const NO_STANDBY: [u8; 16] = [0; 16];
/// In `Prove`: it takes nobody who could see what passes.
const END_TO_END_ONLY: u8 = 1;
/// In `Ask`: the answer is to wait until the peer is there.
const WAIT: u8 = 1;

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

impl Availability {
    /// A later version's word is one that says nothing here.
    fn read(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(match reader.u8()? {
            1 => Self::Available,
            2 => Self::Unavailable,
            _ => Self::Unknown,
        })
    }
}

impl Cause {
    /// A later version's cause comes with words for people.
    fn read(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
        Ok(if reader.u8()? == Self::EndToEndOnly as u8 { Self::EndToEndOnly } else { Self::Failed })
    }
}

/// A message. One line of layout each; `text` is `u16 length · UTF-8`. The numbers are never reused (`0x22` was one), a layout
/// never changes but for fields that are added at its end, and of a `flags` byte an unknown bit means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Server → peer: how it speaks. `0x01 · u8 oldest version · u8 newest version · u8 binding`
    Hello {
        /// The versions that it speaks.
        versions: Versions,
        /// What the proof is to be bound to.
        binding: Binding,
    },
    /// Peer → server.
    /// `0x02 · u8 version · u8 role · u8 flags (1: end to end only) · text SCRAM client-first · text program · report`
    Prove {
        /// The version that both are to speak: the newest one of those that both can.
        version: u8,
        /// Which side it is.
        role: Role,
        /// Of an agent: it takes nobody who could see what passes. Said before it is in, so that there is no moment in
        /// which the server does not know.
        end_to_end_only: bool,
        /// RFC 5802 §7.
        client_first: String,
        /// The program and its version, for people: at most [`MAX_PROGRAM`] bytes.
        program: String,
        /// Of an agent: what it says of its machine. Connectors and earlier programs say nothing.
        report: Option<Report>,
    },
    /// Server → peer. `0x03 · text SCRAM server-first`
    Challenge(String),
    /// Peer → server. `0x04 · text SCRAM client-final`
    Proof(String),
    /// Server → peer: it is in. `0x05 · u16 seconds between heartbeats · text SCRAM server-final`
    Joined {
        /// Who was silent for this long says `Ping`.
        heartbeat: Duration,
        /// The server's own proof.
        server_final: String,
    },
    /// Server → peer: it is over. `0x06 · u16 fault · u32 retry seconds (2³²−1: never) · text detail`
    Refused(Refusal),
    /// Either way: are you there? `0x07`
    Ping,
    /// Either way: yes. `0x08`
    Pong,
    /// Connector → server: may I, and is it there? `0x10 · u32 call · u8 flags (1: wait) · text peer's address`
    Ask {
        /// Answers carry it.
        call: u32,
        /// Whether to answer only when it is there.
        wait: bool,
        /// Whom.
        peer: String,
    },
    /// Connector → server: a session. `0x11 · u32 call · u32 bytes a second (0: no limit) · text peer's address`
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
    /// Server → connector: open the data connection. `0x13 · u32 call · 16 id · 32 secret · text raw listener · renewal`
    Meet {
        /// Of this `Connect`.
        call: u32,
        /// What the data connection shows.
        ticket: Ticket,
        /// `HOST:PORT` of the raw listener; empty: there is none.
        relay: String,
        /// Of a device that was replaced, or whose new key was accepted: the server's word on that.
        renewal: Option<Renewal>,
    },
    /// Server → connector: no. `0x14 · u32 call · u16 fault · u32 retry seconds · text detail`
    Failed {
        /// Of this `Ask` or `Connect`.
        call: u32,
        /// Why.
        refusal: Refusal,
    },
    /// Connector → server: tell me of it, from now on. `0x15 · u32 call · text peer's address`
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
    /// `0x20 · 16 id · 32 secret · 16 standby (zeros: none) · text raw listener · text who connects`
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
    /// Server → agent: open a data connection that waits for a session. `0x23 · 16 id · 32 secret · text raw listener`
    Standby {
        /// What the data connection shows.
        ticket: Ticket,
        /// `HOST:PORT` of the raw listener; empty: there is none.
        relay: String,
    },
    /// Agent → server: I will not. `0x21 · 16 id · u8 cause · text why`
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
    /// `0x32 · u8 version · 16 id · 16 salt · 32 stored key · 32 server key · 32 proof · text channel-binding`
    Enrol {
        /// The version that both are to speak.
        version: u8,
        /// What the device says of itself.
        enrolment: Enrolment,
    },
    /// Server → device: its address, and the server's own proof. `0x33 · 32 proof · text address`
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
            Self::Hello { versions, binding } => {
                Frame::of(0x01).bytes(&[versions.oldest, versions.newest, *binding as u8])
            }
            Self::Prove { version, role, end_to_end_only, client_first, program, report } => {
                let flags = if *end_to_end_only { END_TO_END_ONLY } else { 0 };
                let fixed = [*version, *role as u8, flags];
                let frame =
                    Frame::of(0x02).bytes(&fixed).text(client_first, MAX_TEXT).text(program, MAX_PROGRAM);
                match report {
                    Some(report) => report.write(frame),
                    None => frame,
                }
            }
            Self::Challenge(server_first) => Frame::of(0x03).text(server_first, MAX_TEXT),
            Self::Proof(client_final) => Frame::of(0x04).text(client_final, MAX_TEXT),
            Self::Joined { heartbeat, server_final } => {
                let seconds = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX);
                Frame::of(0x05).bytes(&seconds.to_be_bytes()).text(server_final, MAX_TEXT)
            }
            Self::Refused(why) => refusal(Frame::of(0x06), why),
            Self::Ping => Frame::of(0x07),
            Self::Pong => Frame::of(0x08),
            Self::Ask { call, wait, peer } => {
                let flags = if *wait { WAIT } else { 0 };
                Frame::of(0x10).number(*call).bytes(&[flags]).text(peer, MAX_TEXT)
            }
            Self::Connect { call, limit, peer } => {
                Frame::of(0x11).number(*call).number(*limit).text(peer, MAX_TEXT)
            }
            Self::Available { call } => Frame::of(0x12).number(*call),
            Self::Meet { call, ticket, relay, renewal } => {
                let frame = Frame::of(0x13).number(*call).bytes(&ticket.bytes()).text(relay, MAX_PLACE);
                match renewal {
                    Some(renewal) => renewal.write(frame),
                    None => frame,
                }
            }
            Self::Failed { call, refusal: why } => refusal(Frame::of(0x14).number(*call), why),
            Self::Watch { call, peer } => Frame::of(0x15).number(*call).text(peer, MAX_TEXT),
            Self::Seen { call, availability } => Frame::of(0x16).number(*call).bytes(&[*availability as u8]),
            Self::Dial { ticket, standby, relay, peer } => Frame::of(0x20)
                .bytes(&ticket.bytes())
                .bytes(&standby.unwrap_or(NO_STANDBY))
                .text(relay, MAX_PLACE)
                .text(peer, MAX_TEXT),
            Self::Declined { ticket, cause, why } => {
                Frame::of(0x21).bytes(ticket).bytes(&[*cause as u8]).text(why, MAX_TEXT)
            }
            Self::Standby { ticket, relay } => Frame::of(0x23).bytes(&ticket.bytes()).text(relay, MAX_PLACE),
            Self::Enrol { version, enrolment } => {
                let Enrolment { id, salt, stored_key, server_key, proof, binding } = enrolment;
                let head = Frame::of(0x32).bytes(&[*version]).bytes(id).bytes(salt);
                head.bytes(stored_key).bytes(server_key).bytes(proof).text(binding, MAX_TEXT)
            }
            Self::Enrolled { proof, address } => Frame::of(0x33).bytes(proof).text(address, MAX_TEXT),
        }
        .whole()
    }

    /// The next whole message that has come. A later version's is skipped.
    pub fn next(inbox: &mut Inbox) -> Result<Option<Self>, FrameError> {
        while let Some((kind, payload)) = inbox.next_frame()? {
            if let Some(message) = Self::decode(kind, &payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// `None` where the type is unknown. What follows the last field that is known here is a later version's.
    fn decode(kind: u8, payload: &[u8]) -> Result<Option<Self>, FrameError> {
        let mut reader = Reader(payload);
        let r = &mut reader;
        Ok(Some(match kind {
            0x01 => Self::Hello {
                versions: Versions { oldest: r.u8()?, newest: r.u8()? },
                binding: Binding::read(r)?,
            },
            0x02 => Self::Prove {
                version: r.u8()?,
                role: Role::read(r)?,
                end_to_end_only: r.u8()? & END_TO_END_ONLY != 0,
                client_first: r.text(MAX_TEXT)?,
                program: r.text(MAX_PROGRAM)?,
                report: Report::read(r),
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
            0x10 => Self::Ask { call: r.u32()?, wait: r.u8()? & WAIT != 0, peer: r.text(MAX_TEXT)? },
            0x11 => Self::Connect { call: r.u32()?, limit: r.u32()?, peer: r.text(MAX_TEXT)? },
            0x12 => Self::Available { call: r.u32()? },
            0x13 => Self::Meet {
                call: r.u32()?,
                ticket: Ticket::from_bytes(r.array()?),
                relay: r.text(MAX_PLACE)?,
                renewal: Renewal::read(r),
            },
            0x14 => Self::Failed { call: r.u32()?, refusal: read_refusal(r)? },
            0x15 => Self::Watch { call: r.u32()?, peer: r.text(MAX_TEXT)? },
            0x16 => Self::Seen { call: r.u32()?, availability: Availability::read(r)? },
            0x20 => Self::Dial {
                ticket: Ticket::from_bytes(r.array()?),
                standby: Some(r.array()?).filter(|id| *id != NO_STANDBY),
                relay: r.text(MAX_PLACE)?,
                peer: r.text(MAX_TEXT)?,
            },
            0x21 => Self::Declined { ticket: r.array()?, cause: Cause::read(r)?, why: r.text(MAX_TEXT)? },
            0x23 => Self::Standby { ticket: Ticket::from_bytes(r.array()?), relay: r.text(MAX_PLACE)? },
            0x32 => Self::Enrol {
                version: r.u8()?,
                enrolment: Enrolment {
                    id: r.array()?,
                    salt: r.array()?,
                    stored_key: r.array()?,
                    server_key: r.array()?,
                    proof: r.array()?,
                    binding: r.text(MAX_TEXT)?,
                },
            },
            0x33 => Self::Enrolled { proof: r.array()?, address: r.text(MAX_TEXT)? },
            _ => return Ok(None),
        }))
    }
}

const NEVER: u32 = u32::MAX;

fn refusal(frame: Frame, refusal: &Refusal) -> Frame {
    let seconds = match refusal.retry {
        Retry::Never => NEVER,
        Retry::After(wait) => u32::try_from(wait.as_secs()).unwrap_or(NEVER - 1),
    };
    let detail = refusal.detail.as_deref().unwrap_or_default();
    frame.bytes(&(refusal.fault as u16).to_be_bytes()).number(seconds).text(detail, MAX_TEXT)
}

fn read_refusal(reader: &mut Reader<'_>) -> Result<Refusal, FrameError> {
    let number = reader.u16()?;
    let retry = match reader.u32()? {
        NEVER => Retry::Never,
        seconds => Retry::After(Duration::from_secs(seconds.into())),
    };
    let detail = Some(reader.text(MAX_TEXT)?).filter(|detail| !detail.is_empty());
    Ok(match Fault::from_number(number) {
        Some(fault) => Refusal { fault, retry, detail, advice: None },
        None => Refusal::of_later_version(number, retry, detail.as_deref()),
    })
}
