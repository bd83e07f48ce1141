//! The stages of a handshake with an instance.

use std::fmt;

/// The stage of the handshake, named in the error if the instance stops answering or disconnects.
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
