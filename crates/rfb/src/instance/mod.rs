//! The handshake with an instance's VNC server, seen from its RFB client (RFC 6143 §7.1, §7.3).
//!
//! ```text
//! ProtocolVersion ─► security types ─► None ──────────────────────────┐
//!        │ 3.3: one type, dictated  ├► VNC authentication ─► result ──┼─► ClientInit ─► ServerInit
//!        ▼                          └► VeNCrypt ─► TLS ─► … ─► result ─┘
//!   0 types: reason
//! ```
//!
//! The machine takes bytes from the front of a slice and stops at the last one that is its own: what remains in the slice
//! when it is [done](InstanceProgress::Done) is the first of the session.

mod error;
mod negotiation;

use std::fmt;

use zeroize::Zeroizing;

use crate::init::{SERVER_INIT_HEADER_LEN, ServerInit};
use crate::inlet::Inlet;
use crate::limits::MAX_REASON;
use crate::printable::printable;
use crate::vencrypt::VeNCryptSubtype;
use crate::version::{VERSION_LEN, Version, foreign_greeting};
use crate::vnc_auth::{CHALLENGE_LEN, VncPassword};

pub use error::InstanceHandshakeError;

/// What may be presented to an instance.
#[derive(Debug, Clone, Default)]
pub struct InstanceCredentials {
    /// Answer to VNC authentication, plain or inside TLS.
    pub password: Option<VncPassword>,
    /// Answer to VeNCrypt's X509Plain.
    pub login: Option<PlainLogin>,
    /// Whether the endpoint is configured for TLS. It is then demanded: falling back to a plain connection would hand the
    /// password to whoever stands in between.
    pub tls: bool,
}

/// A user name and password for VeNCrypt's X509Plain. Never printed.
#[derive(Clone)]
pub struct PlainLogin {
    /// User name.
    pub user: String,
    /// Password, wiped from memory when dropped.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for PlainLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainLogin(..)")
    }
}

/// How far the handshake came with the bytes it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceProgress {
    /// All bytes were taken; write the output, read more.
    NeedMore,
    /// Write the output, wrap the stream in TLS, call [`InstanceHandshake::tls_established`], and go on inside it.
    StartTls(VeNCryptSubtype),
    /// The session begins; bytes left in the slice belong to it.
    Done(ServerInit),
}

/// Where in the handshake the machine stands, to be named when the instance goes silent or away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for ProtocolVersion.
    Version,
    /// Waiting for security types or their details.
    Security,
    /// Waiting for the TLS handshake.
    Tls,
    /// Waiting for a challenge or the SecurityResult.
    Authentication,
    /// Waiting for ServerInit.
    Init,
    /// The handshake is over.
    Over,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "version exchange",
            Self::Security => "security negotiation",
            Self::Tls => "TLS handshake",
            Self::Authentication => "authentication",
            Self::Init => "screen announcement",
            Self::Over => "session",
        })
    }
}

/// The machine. See the [module](self) for the flow.
#[derive(Debug)]
pub struct InstanceHandshake {
    credentials: InstanceCredentials,
    version: Version,
    state: State,
    inlet: Inlet,
    output: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Version,
    DictatedType,
    TypeCount,
    Types(u8),
    VeNCryptVersion,
    VeNCryptAck,
    VeNCryptCount,
    VeNCryptSubtypes(u8),
    VeNCryptAccepted(VeNCryptSubtype),
    Tls(VeNCryptSubtype),
    Challenge,
    Result { authenticated: bool },
    ReasonLength(Verdict),
    Reason(Verdict, usize),
    ServerInit,
    Name { header: [u8; SERVER_INIT_HEADER_LEN], len: usize },
    Over,
}

/// What a reason that is still arriving will explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Refused,
    PasswordWrong,
}

impl Verdict {
    fn because(self, reason: &[u8]) -> InstanceHandshakeError {
        let reason = printable(reason, MAX_REASON as usize);
        match self {
            Self::Refused => InstanceHandshakeError::Refused { reason },
            Self::PasswordWrong => InstanceHandshakeError::PasswordWrong { reason },
        }
    }
}

impl InstanceHandshake {
    /// Waits for the instance to speak first.
    pub fn new(credentials: InstanceCredentials) -> Self {
        let (version, state) = (Version::V3_8, State::Version);
        Self { credentials, version, state, inlet: Inlet::default(), output: Vec::new() }
    }

    /// Takes what it can from the front of `input`. After an error the machine is over.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<InstanceProgress, InstanceHandshakeError> {
        self.advance(input).inspect_err(|_| self.state = State::Over)
    }

    /// Tells that the stream runs inside TLS now, its certificate verified; there may be output at once.
    pub fn tls_established(&mut self) {
        if let State::Tls(subtype) = self.state {
            self.begin_inside_tls(subtype);
        }
    }

    /// What must be written to the instance now; empty most of the time.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Where the handshake stands.
    pub fn stage(&self) -> Stage {
        match self.state {
            State::Version => Stage::Version,
            State::Tls(_) => Stage::Tls,
            State::Challenge | State::Result { .. } | State::ReasonLength(_) | State::Reason(..) => {
                Stage::Authentication
            }
            State::ServerInit | State::Name { .. } => Stage::Init,
            State::Over => Stage::Over,
            _ => Stage::Security,
        }
    }

    /// Whether the instance owes the beginning of a message that a person in front of it may have to allow first: x11vnc
    /// asks before it names its security types, others before SecurityResult or ServerInit.
    pub fn may_wait_for_a_person(&self) -> bool {
        let owes_an_answer = match self.state {
            State::DictatedType
            | State::TypeCount
            | State::VeNCryptVersion
            | State::VeNCryptAck
            | State::VeNCryptCount
            | State::VeNCryptAccepted(_)
            | State::Challenge
            | State::Result { .. }
            | State::ServerInit => true,
            State::Version
            | State::Types(_)
            | State::VeNCryptSubtypes(_)
            | State::Tls(_)
            | State::ReasonLength(_)
            | State::Reason(..)
            | State::Name { .. }
            | State::Over => false,
        };
        owes_an_answer && self.inlet.partial().is_empty()
    }

    /// What it means that the instance closed the connection now.
    ///
    /// A server may hang up before its reason has fully arrived; its verdict is known all the same.
    pub fn closed(&self) -> InstanceHandshakeError {
        self.verdict().unwrap_or(InstanceHandshakeError::Closed(self.stage()))
    }

    /// The verdict that the instance has told already, with as much of its reason as has arrived: it stands, however the
    /// connection goes on.
    pub fn verdict(&self) -> Option<InstanceHandshakeError> {
        match self.state {
            State::ReasonLength(verdict) => Some(verdict.because(b"")),
            State::Reason(verdict, _) => Some(verdict.because(self.inlet.partial())),
            _ => None,
        }
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<InstanceProgress, InstanceHandshakeError> {
        if self.state == State::Version
            && let Some(excerpt) = foreign_greeting(self.inlet.partial(), input)
        {
            return Err(InstanceHandshakeError::NotRfb { excerpt });
        }
        while let Some(item) = self.inlet.fill(input, self.need()) {
            if let Some(progress) = self.step(item)? {
                if matches!(progress, InstanceProgress::StartTls(_)) && !input.is_empty() {
                    // Whoever injects bytes here would have them taken for decrypted ones.
                    return Err(InstanceHandshakeError::Protocol(
                        "plain bytes arrived in front of the TLS handshake",
                    ));
                }
                return Ok(progress);
            }
        }
        Ok(InstanceProgress::NeedMore)
    }

    /// Length of the item that the state waits for.
    fn need(&self) -> usize {
        match self.state {
            State::Version => VERSION_LEN,
            State::TypeCount | State::VeNCryptAck | State::VeNCryptCount | State::VeNCryptAccepted(_) => 1,
            State::Types(count) => count.into(),
            State::VeNCryptVersion => 2,
            State::VeNCryptSubtypes(count) => 4 * usize::from(count),
            State::Challenge => CHALLENGE_LEN,
            State::DictatedType | State::Result { .. } | State::ReasonLength(_) => 4,
            State::Reason(_, len) => len,
            State::ServerInit => SERVER_INIT_HEADER_LEN,
            State::Name { len, .. } => len,
            State::Tls(_) | State::Over => 0,
        }
    }
}
