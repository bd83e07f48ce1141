//! The handshake with an instance's VNC server, from the client's side (RFC 6143 §7.1, §7.3).
//!
//! ```text
//! ProtocolVersion ─► security types ─► None ──────────────────────────┐
//!        │ 3.3: one type, dictated  ├► VNC authentication ─► result ──┼─► ClientInit ─► ServerInit
//!        ▼                          └► VeNCrypt ─► TLS ─► … ─► result ─┘
//!   0 types: reason
//! ```
//!
//! The machine takes only the handshake's bytes from the front of a slice. When it is
//! [done](InstanceProgress::Done), the remaining bytes belong to the session.

mod error;
mod negotiation;
mod stage;

use std::fmt;

use zeroize::Zeroizing;

use crate::init::{SERVER_INIT_HEADER_LEN, ServerInit};
use crate::items::ItemBuffer;
use crate::limits::MAX_REASON;
use crate::printable::printable;
use crate::vencrypt::VeNCryptSubtype;
use crate::version::{VERSION_LEN, Version, foreign_greeting};
use crate::vnc_auth::{CHALLENGE_LEN, VncPassword};

pub use error::InstanceHandshakeError;
pub use stage::Stage;

/// The credentials that may be presented to an instance.
#[derive(Debug, Clone, Default)]
pub struct InstanceCredentials {
    /// The answer to VNC authentication, plain or inside TLS.
    pub password: Option<VncPassword>,
    /// The answer to VeNCrypt's X509Plain.
    pub login: Option<PlainLogin>,
    /// True if the endpoint is configured for TLS. TLS is then mandatory: a fallback to a plain
    /// connection would let a man in the middle read the password.
    pub tls: bool,
}

/// A user name and password for VeNCrypt's X509Plain. Never printed.
#[derive(Clone)]
pub struct PlainLogin {
    /// The user name.
    pub user: String,
    /// The password, wiped from memory when dropped.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for PlainLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainLogin(..)")
    }
}

/// The state of the handshake after the bytes received so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceProgress {
    /// The machine took all bytes. Write the output, then read more.
    NeedMore,
    /// Write the output, wrap the stream in TLS, call [`InstanceHandshake::tls_established`], and
    /// continue inside TLS.
    StartTls(VeNCryptSubtype),
    /// The session begins. The remaining bytes in the slice belong to it.
    Done(ServerInit),
}

/// The handshake as a state machine. See the [module](self) for the flow.
#[derive(Debug)]
pub struct InstanceHandshake {
    credentials: InstanceCredentials,
    version: Version,
    state: State,
    items: ItemBuffer,
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

/// The verdict that the instance's reason explains.
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
    /// Creates a machine that waits for the instance's first message.
    pub fn new(credentials: InstanceCredentials) -> Self {
        let (version, state) = (Version::V3_8, State::Version);
        Self { credentials, version, state, items: ItemBuffer::default(), output: Vec::new() }
    }

    /// Takes the handshake's bytes from the front of `input`. After an error, the handshake is
    /// over.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<InstanceProgress, InstanceHandshakeError> {
        self.advance(input).inspect_err(|_| self.state = State::Over)
    }

    /// Continues inside TLS, after the caller has verified the certificate. This may produce
    /// output.
    pub fn tls_established(&mut self) {
        if let State::Tls(subtype) = self.state {
            self.begin_inside_tls(subtype);
        }
    }

    /// Takes the output that must be written to the instance now. Usually empty.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// The stage of the handshake.
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

    /// Returns whether the instance may be waiting for a person there to allow the connection.
    /// x11vnc asks before it sends its security types, and other servers ask before SecurityResult
    /// or ServerInit.
    ///
    /// Returns false once a part of the next message has arrived.
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
        owes_an_answer && self.items.partial().is_empty()
    }

    /// The error to report if the instance closes the connection now.
    ///
    /// A server may close it before its whole reason has arrived. Its verdict is already known
    /// then.
    pub fn closed(&self) -> InstanceHandshakeError {
        self.verdict().unwrap_or_else(|| InstanceHandshakeError::Closed(self.stage()))
    }

    /// The verdict that the instance has already given, with the part of its reason that has
    /// arrived. It is final, even if the connection is lost.
    pub fn verdict(&self) -> Option<InstanceHandshakeError> {
        match self.state {
            State::ReasonLength(verdict) => Some(verdict.because(b"")),
            State::Reason(verdict, _) => Some(verdict.because(self.items.partial())),
            _ => None,
        }
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<InstanceProgress, InstanceHandshakeError> {
        if self.state == State::Version
            && let Some(excerpt) = foreign_greeting(self.items.partial(), input)
        {
            return Err(InstanceHandshakeError::NotRfb { excerpt });
        }
        while let Some(item) = self.items.fill(input, self.need()) {
            if let Some(progress) = self.step(item)? {
                if matches!(progress, InstanceProgress::StartTls(_)) && !input.is_empty() {
                    // Otherwise, an attacker could inject bytes here that would be read as
                    // decrypted ones.
                    return Err(InstanceHandshakeError::Protocol(
                        "plain bytes arrived before the TLS handshake",
                    ));
                }
                return Ok(progress);
            }
        }
        Ok(InstanceProgress::NeedMore)
    }

    /// The length of the item that the current state expects.
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
