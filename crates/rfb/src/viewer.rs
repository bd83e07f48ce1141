//! The handshake with a viewer, from the server's side (RFC 6143 §7.1, §7.3).
//!
//! The server offers one security type. The type is `None` if a token has already identified the
//! viewer, and VNC authentication in a standalone server. A refused viewer gets RFB's own failure
//! message.
//!
//! With one type and no password, the server's messages depend only on the viewer's version. A
//! server that already knows its screen may send all of them as soon as it has that version, which
//! saves two round trips. They stay separate messages, because noVNC before 1.5 advances its
//! handshake by one step for each WebSocket message.
//!
//! ```text
//!        server → viewer         viewer → server
//!  3.x   "RFB 003.008\n"         "RFB 003.00x\n"
//!  3.3   U32 type                                  0 = failed: U32 length · reason
//!  3.7+  U8 1 · U8 type          U8 type           U8 0 = failed: U32 length · reason
//!        16 challenge            16 response       VNC authentication only
//!        U32 SecurityResult                        3.8, or VNC authentication; 3.8 failed: reason
//!                                U8 shared
//!        ServerInit                                given beforehand, or written by the caller
//! ```

use crate::init::ServerInit;
use crate::items::ItemBuffer;
use crate::limits::{MAX_EXCERPT, MAX_REASON};
use crate::printable::printable;
use crate::security::SecurityType;
use crate::version::{Announced, VERSION_LEN, Version, foreign_greeting};
use crate::vnc_auth::{CHALLENGE_LEN, VncPassword};
use crate::wire::{Reader, Truncated, Writer};

/// A successful SecurityResult (RFC 6143 §7.1.3).
const SECURITY_OK: [u8; 4] = [0; 4];

/// The state of the handshake after the bytes received so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerProgress {
    /// The machine took all bytes. Write the output, then read more.
    NeedMore,
    /// Write the output, and then ServerInit unless [`ViewerHandshake::announcing`] has sent it.
    /// The remaining bytes in the slice belong to the session.
    Done {
        /// The version that the viewer speaks.
        version: Version,
        /// True if the viewer accepts other viewers of the same screen.
        shared: bool,
    },
    /// Write the output, which gives the reason, and close the connection.
    Refused,
}

/// The reason why a handshake with a viewer ended. Each text completes a sentence that begins with
/// "the viewer".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewerHandshakeError {
    /// The first bytes belong to another protocol.
    #[error("does not speak RFB; it began with {excerpt:?}")]
    NotRfb {
        /// The first bytes, printable, at most [`MAX_EXCERPT`] characters.
        excerpt: String,
    },
    /// The version is older than 3.3.
    #[error("speaks RFB {0}; 3.3, 3.7 and 3.8 are supported")]
    UnsupportedVersion(Announced),
    /// The viewer chose a security type that was not offered. The output says so, if it still can.
    #[error("chose the security type {0}, which was not offered")]
    NotOffered(SecurityType),
    /// The viewer's answer to the challenge was wrong. The output says so.
    #[error("gave a wrong password")]
    PasswordWrong,
    /// Bytes arrived after the end of the handshake.
    #[error("continues a handshake that is over")]
    Over,
}

impl From<Truncated> for ViewerHandshakeError {
    // Items are gathered whole, so this cannot happen. It must not panic either.
    fn from(_: Truncated) -> Self {
        Self::Over
    }
}

/// The handshake as a state machine. See the [module](self) for the flow.
#[derive(Debug)]
pub struct ViewerHandshake {
    admission: Admission,
    version: Version,
    state: State,
    items: ItemBuffer,
    output: Vec<Vec<u8>>,
}

#[derive(Debug)]
enum Admission {
    Open,
    /// Admits the viewer without authentication, and sends this ServerInit as early as possible.
    Announced(Vec<u8>),
    Password {
        password: VncPassword,
        challenge: [u8; CHALLENGE_LEN],
    },
    Refused(String),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Version,
    Choice,
    Response,
    ClientInit,
    Over,
}

impl ViewerHandshake {
    /// Admits the viewer without authentication.
    pub fn new() -> Self {
        Self::with(Admission::Open)
    }

    /// Admits a viewer that knows `password`. `challenge` is 16 fresh random bytes.
    pub fn with_password(password: VncPassword, challenge: [u8; CHALLENGE_LEN]) -> Self {
        Self::with(Admission::Password { password, challenge })
    }

    /// Admits the viewer to the screen in `init`, which is sent as early as possible. The call must
    /// come before any bytes are received, and excludes a password.
    #[must_use]
    pub fn announcing(self, init: &ServerInit) -> Self {
        Self { admission: Admission::Announced(init.message()), ..self }
    }

    /// Agrees on a version, and then tells the viewer why it is refused. The call must come before
    /// any bytes are received.
    #[must_use]
    pub fn refusing(self, reason: &str) -> Self {
        Self { admission: Admission::Refused(reason.to_owned()), ..self }
    }

    fn with(admission: Admission) -> Self {
        let version = Version::V3_8;
        let output = vec![version.message().to_vec()];
        Self { admission, version, state: State::Version, items: ItemBuffer::default(), output }
    }

    /// Takes the messages that must be written to the viewer now, in this order. The greeting is
    /// the first.
    pub fn take_output(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.output)
    }

    /// Takes the handshake's bytes from the front of `input`. Errors may produce output, too.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<ViewerProgress, ViewerHandshakeError> {
        self.advance(input).inspect_err(|_| self.state = State::Over)
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<ViewerProgress, ViewerHandshakeError> {
        if matches!(self.state, State::Version)
            && let Some(excerpt) = foreign_greeting(self.items.partial(), input)
        {
            return Err(ViewerHandshakeError::NotRfb { excerpt });
        }
        while let Some(item) = self.items.fill(input, self.need()) {
            let mut reader = Reader::new(&item);
            self.state = match self.state {
                State::Version => self.version(reader.array()?)?,
                State::Choice => self.choice(SecurityType::from_number(reader.u8()?))?,
                State::Response => self.response(reader.array()?)?,
                State::ClientInit => {
                    self.state = State::Over;
                    return Ok(ViewerProgress::Done { version: self.version, shared: reader.u8()? != 0 });
                }
                State::Over => return Err(ViewerHandshakeError::Over),
            };
            if let Admission::Refused(_) = self.admission {
                self.state = State::Over;
                return Ok(ViewerProgress::Refused);
            }
        }
        Ok(ViewerProgress::NeedMore)
    }

    fn need(&self) -> usize {
        match self.state {
            State::Version => VERSION_LEN,
            State::Choice | State::ClientInit => 1,
            State::Response => CHALLENGE_LEN,
            State::Over => 0,
        }
    }

    fn version(&mut self, message: [u8; VERSION_LEN]) -> Result<State, ViewerHandshakeError> {
        let announced = Announced::parse(&message)
            .ok_or_else(|| ViewerHandshakeError::NotRfb { excerpt: printable(&message, MAX_EXCERPT) })?;
        self.version = announced.spoken().ok_or(ViewerHandshakeError::UnsupportedVersion(announced))?;
        let dictated = self.version == Version::V3_3;
        let mut writer = Writer::new();
        let next = match &self.admission {
            Admission::Refused(reason) => {
                if dictated {
                    writer.u32(0)
                } else {
                    writer.u8(0)
                };
                write_reason(&mut writer, reason);
                State::Over
            }
            admission if dictated => {
                writer.u32(admission.security_type().number().into());
                State::Choice
            }
            admission => {
                writer.u8(1).u8(admission.security_type().number());
                State::Choice
            }
        };
        self.output.push(writer.take());
        self.announce();
        // In 3.3 the viewer does not choose.
        Ok(match next {
            State::Choice if dictated => self.begin_authentication(),
            next => next,
        })
    }

    fn choice(&mut self, choice: SecurityType) -> Result<State, ViewerHandshakeError> {
        if choice != self.admission.security_type() {
            // The success was already sent, so a failure can no longer be sent.
            if !matches!(self.admission, Admission::Announced(_)) {
                self.fail("this security type was not offered");
            }
            return Err(ViewerHandshakeError::NotOffered(choice));
        }
        Ok(self.begin_authentication())
    }

    fn begin_authentication(&mut self) -> State {
        if let Admission::Password { challenge, .. } = &self.admission {
            self.output.push(challenge.to_vec());
            return State::Response;
        }
        if matches!(self.admission, Admission::Open) && self.version >= Version::V3_8 {
            self.output.push(SECURITY_OK.to_vec());
        }
        State::ClientInit
    }

    /// Sends the messages that follow the viewer's choice, if they are known in advance.
    fn announce(&mut self) {
        let Admission::Announced(init) = &mut self.admission else { return };
        if self.version >= Version::V3_8 {
            self.output.push(SECURITY_OK.to_vec());
        }
        self.output.push(std::mem::take(init));
    }

    fn response(&mut self, response: [u8; CHALLENGE_LEN]) -> Result<State, ViewerHandshakeError> {
        if let Admission::Password { password, challenge } = &self.admission
            && password.accepts(challenge, &response)
        {
            self.output.push(SECURITY_OK.to_vec());
            return Ok(State::ClientInit);
        }
        self.fail("Authentication failed");
        Err(ViewerHandshakeError::PasswordWrong)
    }

    /// Sends a failed SecurityResult, with its reason from 3.8 on (RFC 6143 §7.1.3).
    fn fail(&mut self, reason: &str) {
        let mut writer = Writer::new();
        writer.u32(1);
        if self.version >= Version::V3_8 {
            write_reason(&mut writer, reason);
        }
        self.output.push(writer.take());
    }
}

impl Default for ViewerHandshake {
    fn default() -> Self {
        Self::new()
    }
}

impl Admission {
    fn security_type(&self) -> SecurityType {
        match self {
            Self::Password { .. } => SecurityType::VncAuth,
            Self::Open | Self::Announced(_) | Self::Refused(_) => SecurityType::None,
        }
    }
}

fn write_reason(writer: &mut Writer, reason: &str) {
    writer.string(reason.as_bytes(), MAX_REASON);
}
