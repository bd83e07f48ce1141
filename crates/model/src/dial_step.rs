//! The steps on the way from an instance's endpoint to its screen.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A step of a dial. An endpoint goes through those that its form and its VNC server's security
/// need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DialStep {
    /// Look the host name up, and check that Transom may connect to its addresses.
    Resolve,
    /// Connect to the host, the socket or the device.
    Connect,
    /// Agree on TLS: below a WebSocket, or inside RFB (VeNCrypt).
    Tls,
    /// Ask for a WebSocket, or for one of a hypervisor's consoles.
    Upgrade,
    /// Agree on the version of RFB.
    Version,
    /// Agree on a security type.
    Security,
    /// Authenticate.
    Authentication,
    /// Receive the screen's announcement.
    Screen,
}

impl DialStep {
    /// The step's name in APIs and output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Version => "version",
            Self::Security => "security",
            Self::Authentication => "authentication",
            Self::Screen => "screen",
        }
    }
}

impl fmt::Display for DialStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_written_as_it_is_displayed() {
        for step in [DialStep::Resolve, DialStep::Upgrade, DialStep::Authentication, DialStep::Screen] {
            assert_eq!(serde_json::to_value(step).expect("JSON"), step.as_str());
        }
    }
}
