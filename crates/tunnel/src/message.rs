//! The messages on a control connection. Later versions add message types, and fields at the end of
//! existing messages. A reader skips both.
//!
//! ```text
//! server                         agent or connector
//!   Hello ────────────────────────►
//!   ◄─────────────────────── Prove    SCRAM client-first
//!   Challenge ────────────────────►   SCRAM server-first
//!   ◄─────────────────────── Proof    SCRAM client-final
//!   Joined ───────────────────────►   SCRAM server-final; or Refused, and the connection ends
//!   ◄─────────────────────── Enroll    instead of Prove: a device without an address
//!   Enrolled ─────────────────────►   its address, and the connection ends
//!   ◄──────────────── Ping … Pong ►   both ways, after a silence
//!   ◄───────────── Ask, Connect       connector: is the peer online? a session, please
//!   Available, Meet, Failed ──────►   connector: the answers
//!   ◄─────────────────────── Watch    connector: report the peer's state
//!   Seen ─────────────────────────►   connector: the state, at once and at every change
//!   Dial ─────────────────────────►   agent: open the data connection of this ticket
//!   Standby ──────────────────────►   agent: open a data connection for a later session
//!   ◄───────────────────── Declined   agent: refuses a Dial
//!   Refused ──────────────────────►   the server ends the connection, and says when to come back
//! ```

use std::time::Duration;

use crate::enrollment::Enrollment;
use crate::frame::{Frame, FrameError, Inbox};
use crate::refusal::{Refusal, RefusalCode, Retry};
use crate::renewal::Renewal;
use crate::report::Report;
use crate::ticket::MeetingTicket;
use crate::version::Versions;
use crate::wire::Reader;
use crate::words::{Availability, Binding, Cause, Role};

/// The longest text in a message: a SCRAM message with an address, two nonces and a channel binding
/// is half as long.
pub const MAX_TEXT: usize = 1024;

/// The most peers that a connector may watch over one connection. The server checks each of them at
/// every change of rights.
pub const MAX_WATCHED: usize = 64;

/// The longest `HOST:PORT`.
pub const MAX_HOST_PORT: usize = 255;
/// The longest program name with its version.
pub const MAX_PROGRAM: usize = 64;
const NO_STANDBY: [u8; 16] = [0; 16];
/// A flag of `Prove`: the agent accepts end-to-end connections only.
const END_TO_END_ONLY: u8 = 1;
/// A flag of `Ask`: the server answers when the peer is online.
const WAIT: u8 = 1;

/// A message on a control connection. Each variant gives its layout in one line; `text` is
/// `u16 length · UTF-8`.
///
/// Numbers are never reused (`0x22` was one). A layout changes only by fields added at its end. In
/// a `flags` byte, unknown bits are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Server → peer: the first message on the connection. `0x01 · u8 oldest version · u8 newest
    /// version · u8 binding`
    Hello {
        /// The versions that the server speaks.
        versions: Versions,
        /// The channel binding that the proof must use.
        binding: Binding,
    },
    /// Peer → server: the first message of the proof. `0x02 · u8 version · u8 role · u8 flags (1:
    /// end to end only) · text SCRAM client-first · text program · report`
    Prove {
        /// The version in use: the newest that both sides speak.
        version: u8,
        /// The side that joins.
        role: Role,
        /// True if the agent accepts end-to-end connections only. This is sent before the agent
        /// joins, so that the server respects it from the start.
        end_to_end_only: bool,
        /// The SCRAM client-first message (RFC 5802 §7).
        client_first: String,
        /// The program and its version, for display: at most [`MAX_PROGRAM`] bytes.
        program: String,
        /// An agent's report on its machine. `None` from connectors and earlier programs.
        report: Option<Report>,
    },
    /// Server → peer: the challenge. `0x03 · text SCRAM server-first`
    Challenge(String),
    /// Peer → server: the proof. `0x04 · text SCRAM client-final`
    Proof(String),
    /// Server → peer: the peer has joined. `0x05 · u16 seconds between heartbeats · text SCRAM
    /// server-final`
    Joined {
        /// The silence after which either side sends `Ping`.
        heartbeat: Duration,
        /// The SCRAM server-final message: the server's own proof.
        server_final: String,
    },
    /// Server → peer: the connection ends. `0x06 · u16 code · u32 retry seconds (2³²−1: never) ·
    /// text detail`
    Refused(Refusal),
    /// Either way: a request to show that the other side is alive. `0x07`
    Ping,
    /// Either way: the answer to `Ping`. `0x08`
    Pong,
    /// Connector → server: asks whether the peer is online and the connector may reach it.
    /// `0x10 · u32 call · u8 flags (1: wait) · text peer's address`
    Ask {
        /// The number that the answers repeat.
        call: u32,
        /// True if the server should answer only when the peer is online.
        wait: bool,
        /// The peer's address.
        peer: String,
    },
    /// Connector → server: a request for a session. `0x11 · u32 call · u32 bytes a second (0: no
    /// limit) · text peer's address`
    Connect {
        /// The number that the answers repeat.
        call: u32,
        /// The highest rate at which the relay may carry the session, in bytes a second. 0 sets no
        /// limit.
        limit: u32,
        /// The peer's address.
        peer: String,
    },
    /// Server → connector: the peer is online. `0x12 · u32 call`
    Available {
        /// The number of the `Ask`.
        call: u32,
    },
    /// Server → connector: an order to open the data connection. `0x13 · u32 call · 16 id · 32
    /// secret · text raw listener · renewal`
    Meet {
        /// The number of the `Connect`.
        call: u32,
        /// The ticket that the data connection shows.
        ticket: MeetingTicket,
        /// `HOST:PORT` of the raw listener. Empty if there is none.
        relay: String,
        /// The server's statement about a device that was replaced, or whose new key was accepted.
        renewal: Option<Renewal>,
    },
    /// Server → connector: a refusal.
    /// `0x14 · u32 call · u16 code · u32 retry seconds · text detail`
    Failed {
        /// The number of the `Ask` or `Connect`.
        call: u32,
        /// The reason.
        refusal: Refusal,
    },
    /// Connector → server: a request for the peer's state, now and at every change.
    /// `0x15 · u32 call · text peer's address`
    Watch {
        /// The number that the answers repeat.
        call: u32,
        /// The peer's address.
        peer: String,
    },
    /// Server → connector: the state of a watched peer. `0x16 · u32 call · u8 availability`
    Seen {
        /// The number of the `Watch`.
        call: u32,
        /// The peer's state.
        availability: Availability,
    },
    /// Server → agent: an order to open the data connection of a session. `0x20 · 16 id · 32 secret
    /// · 16 standby (zeros: none) · text raw listener · text who connects`
    Dial {
        /// The ticket that the data connection shows.
        ticket: MeetingTicket,
        /// The standby connection that this session takes over, by the id of its ticket. An agent
        /// that has lost it opens another connection.
        standby: Option<[u8; 16]>,
        /// `HOST:PORT` of the raw listener. Empty if there is none.
        relay: String,
        /// The connect address of the peer, or `gateway`.
        peer: String,
    },
    /// Server → agent: an order to open a data connection that waits for a session.
    /// `0x23 · 16 id · 32 secret · text raw listener`
    Standby {
        /// The ticket that the data connection shows.
        ticket: MeetingTicket,
        /// `HOST:PORT` of the raw listener. Empty if there is none.
        relay: String,
    },
    /// Agent → server: a refusal of a `Dial`. `0x21 · 16 id · u8 cause · text why`
    Declined {
        /// The ticket's id in the `Dial`.
        ticket: [u8; 16],
        /// The cause, for programs.
        cause: Cause,
        /// The cause, for people.
        why: String,
    },
    // 0x30 was Enroll with the token itself, and 0x31 was Enrolled without a proof. Do not reuse
    // them.
    /// Device → server: a request for an address, with a token and a password that the device has
    /// made. `0x32 · u8 version · 16 id · 16 salt · 32 stored key · 32 server key · 32 proof · text
    /// channel-binding`
    Enroll {
        /// The version for both sides.
        version: u8,
        /// The device's proof and verifier.
        enrollment: Enrollment,
    },
    /// Server → device: its address, and the server's own proof. `0x33 · 32 proof · text address`
    Enrolled {
        /// The proof that the server stores the token's verifier.
        proof: [u8; 32],
        /// The device's new address.
        address: String,
    },
}

impl Message {
    /// Encodes the message.
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
                let frame = Frame::of(0x13).number(*call).bytes(&ticket.bytes()).text(relay, MAX_HOST_PORT);
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
                .text(relay, MAX_HOST_PORT)
                .text(peer, MAX_TEXT),
            Self::Declined { ticket, cause, why } => {
                Frame::of(0x21).bytes(ticket).bytes(&[*cause as u8]).text(why, MAX_TEXT)
            }
            Self::Standby { ticket, relay } => {
                Frame::of(0x23).bytes(&ticket.bytes()).text(relay, MAX_HOST_PORT)
            }
            Self::Enroll { version, enrollment } => {
                let Enrollment { id, salt, stored_key, server_key, proof, binding } = enrollment;
                let head = Frame::of(0x32).bytes(&[*version]).bytes(id).bytes(salt);
                head.bytes(stored_key).bytes(server_key).bytes(proof).text(binding, MAX_TEXT)
            }
            Self::Enrolled { proof, address } => Frame::of(0x33).bytes(proof).text(address, MAX_TEXT),
        }
        .whole()
    }

    /// Removes the next whole message from the inbox. Messages of later versions are skipped.
    pub fn next(inbox: &mut Inbox) -> Result<Option<Self>, FrameError> {
        while let Some((kind, payload)) = inbox.next_frame()? {
            if let Some(message) = Self::decode(kind, &payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Decodes a payload. `None` if the type is unknown. Bytes behind the last known field belong
    /// to a later version.
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
                ticket: MeetingTicket::from_bytes(r.array()?),
                relay: r.text(MAX_HOST_PORT)?,
                renewal: Renewal::read(r),
            },
            0x14 => Self::Failed { call: r.u32()?, refusal: read_refusal(r)? },
            0x15 => Self::Watch { call: r.u32()?, peer: r.text(MAX_TEXT)? },
            0x16 => Self::Seen { call: r.u32()?, availability: Availability::read(r)? },
            0x20 => Self::Dial {
                ticket: MeetingTicket::from_bytes(r.array()?),
                standby: Some(r.array()?).filter(|id| *id != NO_STANDBY),
                relay: r.text(MAX_HOST_PORT)?,
                peer: r.text(MAX_TEXT)?,
            },
            0x21 => Self::Declined { ticket: r.array()?, cause: Cause::read(r)?, why: r.text(MAX_TEXT)? },
            0x23 => {
                Self::Standby { ticket: MeetingTicket::from_bytes(r.array()?), relay: r.text(MAX_HOST_PORT)? }
            }
            0x32 => Self::Enroll {
                version: r.u8()?,
                enrollment: Enrollment {
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
    frame.bytes(&(refusal.code as u16).to_be_bytes()).number(seconds).text(detail, MAX_TEXT)
}

fn read_refusal(reader: &mut Reader<'_>) -> Result<Refusal, FrameError> {
    let number = reader.u16()?;
    let retry = match reader.u32()? {
        NEVER => Retry::Never,
        seconds => Retry::After(Duration::from_secs(seconds.into())),
    };
    let detail = Some(reader.text(MAX_TEXT)?).filter(|detail| !detail.is_empty());
    Ok(match RefusalCode::from_number(number) {
        Some(code) => Refusal { code, retry, detail, advice: None },
        None => Refusal::of_later_version(number, retry, detail.as_deref()),
    })
}
