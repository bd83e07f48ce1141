//! Why a handshake with an instance ended, in words a person can act on.

use std::fmt::Display;

use crate::init::ServerInitError;
use crate::security::SecurityType;
use crate::vencrypt::VeNCryptSubtype;
use crate::version::Announced;
use crate::wire::Truncated;

use super::Stage;

/// Why a handshake with an instance ended. Each text completes a sentence that begins with "the instance".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstanceHandshakeError {
    /// The first bytes were something else: a web server, SSH, telnet.
    #[error("does not speak RFB; it began with {excerpt:?}")]
    NotRfb {
        /// What it said instead, at most [`MAX_EXCERPT`](crate::limits::MAX_EXCERPT) characters, printable.
        excerpt: String,
    },
    /// A version older than 3.3; 0.0 is a repeater that waits for an id.
    #[error("speaks RFB {0}; 3.3, 3.7 and 3.8 are supported")]
    UnsupportedVersion(Announced),
    /// Nothing that was offered can be used.
    #[error("offers only {}", list(.offered))]
    UnsupportedSecurity {
        /// Everything that was offered.
        offered: Vec<SecurityType>,
    },
    /// TLS is demanded by its configuration, and VeNCrypt was not offered.
    #[error("is configured for TLS but does not offer VeNCrypt, only: {}", list(.offered))]
    TlsNotOffered {
        /// Everything that was offered.
        offered: Vec<SecurityType>,
    },
    /// VeNCrypt without a subtype that verifies a certificate; anonymous TLS is refused on purpose.
    #[error("offers no VeNCrypt subtype with a certificate, only: {}", list(.offered))]
    UnsupportedVeNCrypt {
        /// Everything that was offered.
        offered: Vec<VeNCryptSubtype>,
    },
    /// Authentication is demanded and no credential of that kind is configured.
    #[error("demands a {wanted}, and none is configured")]
    PasswordMissing {
        /// What it wants: "VNC password" or "user name and password".
        wanted: &'static str,
    },
    /// The credential was rejected.
    #[error("rejected the password{}", because(.reason))]
    PasswordWrong {
        /// Its own words; empty if it gave none.
        reason: String,
    },
    /// It refused before a password mattered, for instance after too many failures.
    #[error("refused the connection{}", because(.reason))]
    Refused {
        /// Its own words; empty if it gave none.
        reason: String,
    },
    /// The announced desktop name is too long.
    #[error("announces a desktop name of {0} bytes, which is not sane")]
    NameTooLong(u32),
    /// The announced screen cannot be shown.
    #[error("announces a screen of {width}×{height} pixels, which cannot be shown")]
    ScreenSize {
        /// Announced width.
        width: u16,
        /// Announced height.
        height: u16,
    },
    /// It closed the connection in the middle of the handshake.
    #[error("closed the connection during the {0}")]
    Closed(Stage),
    /// It broke the protocol in another way.
    #[error("broke the RFB protocol: {0}")]
    Protocol(&'static str),
}

impl From<ServerInitError> for InstanceHandshakeError {
    fn from(error: ServerInitError) -> Self {
        match error {
            ServerInitError::NameTooLong(len) => Self::NameTooLong(len),
            ServerInitError::ScreenSize { width, height } => Self::ScreenSize { width, height },
            ServerInitError::Truncated(truncated) => truncated.into(),
        }
    }
}

impl From<Truncated> for InstanceHandshakeError {
    fn from(_: Truncated) -> Self {
        Self::Protocol("a message ended early")
    }
}

fn list(offered: &[impl Display]) -> String {
    offered.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason:?}") }
}
