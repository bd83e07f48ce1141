//! The errors of a handshake with an instance.

use std::fmt::Display;

use crate::init::ServerInitError;
use crate::security::SecurityType;
use crate::vencrypt::VeNCryptSubtype;
use crate::version::Announced;
use crate::wire::Truncated;

use super::stage::Stage;

/// The reason why a handshake with an instance ended. Each text completes a sentence that begins
/// with "the instance".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstanceHandshakeError {
    /// The first bytes belong to another protocol: HTTP, SSH, telnet.
    #[error("does not speak RFB; it began with {excerpt:?}")]
    NotRfb {
        /// The first bytes, printable, at most [`MAX_EXCERPT`](crate::limits::MAX_EXCERPT)
        /// characters.
        excerpt: String,
    },
    /// The version is older than 3.3. A repeater that waits for an id announces 0.0.
    #[error("speaks RFB {0}; 3.3, 3.7 and 3.8 are supported")]
    UnsupportedVersion(Announced),
    /// The instance offers no supported security type.
    #[error("offers only {}", list(.offered))]
    UnsupportedSecurity {
        /// All security types that were offered.
        offered: Vec<SecurityType>,
    },
    /// The endpoint is configured for TLS, but the instance does not offer VeNCrypt.
    #[error("is configured for TLS but does not offer VeNCrypt, only: {}", list(.offered))]
    TlsNotOffered {
        /// All security types that were offered.
        offered: Vec<SecurityType>,
    },
    /// VeNCrypt has no subtype that verifies a certificate. Anonymous TLS is refused on purpose.
    #[error("offers no VeNCrypt subtype with a certificate, only: {}", list(.offered))]
    UnsupportedVeNCrypt {
        /// All subtypes that were offered.
        offered: Vec<VeNCryptSubtype>,
    },
    /// The instance demands a credential of a kind that is not configured.
    #[error("requires a {wanted}, but none is configured")]
    PasswordMissing {
        /// The demanded credential: "VNC password" or "user name and password".
        wanted: &'static str,
    },
    /// The instance rejected the credential.
    #[error("rejected the password{}", because(.reason))]
    PasswordWrong {
        /// The instance's own words. Empty if it gave none.
        reason: String,
    },
    /// The instance refused before it checked a credential, for example after too many failures.
    #[error("refused the connection{}", because(.reason))]
    Refused {
        /// The instance's own words. Empty if it gave none.
        reason: String,
    },
    /// The announced desktop name is too long.
    #[error("announces a desktop name of {0} bytes, which is too long")]
    NameTooLong(u32),
    /// The announced screen cannot be shown.
    #[error("announces a screen of {width}×{height} pixels, which cannot be shown")]
    ScreenSize {
        /// The announced width.
        width: u16,
        /// The announced height.
        height: u16,
    },
    /// The instance closed the connection in the middle of the handshake.
    #[error("closed the connection during the {0}")]
    Closed(Stage),
    /// The instance broke the protocol in another way.
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
