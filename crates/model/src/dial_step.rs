//! The steps on the way from an instance's endpoint to its screen.

use std::fmt;
use std::str::FromStr;

use crate::id::ParseIdError;
use crate::words::words;

words! {
    /// A step of a dial. A dial takes only the steps that its endpoint and its VNC server require.
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(rename_all = "lowercase"))]
    DialStep, "step", "must be a step of a dial";
    Resolve = "resolve", "The look-up of the host name, and the check that Transom may connect to its addresses.";
    Connect = "connect", "The connection to the host, the socket or the device.";
    Tls = "tls", "TLS: below a WebSocket, or inside RFB (VeNCrypt).";
    Upgrade = "upgrade", "The request for a WebSocket, or for one of a hypervisor's consoles.";
    Version = "version", "The agreement on a version of RFB.";
    Security = "security", "The agreement on a security type.";
    Authentication = "authentication", "The authentication.";
    Screen = "screen", "The announcement of the screen.";
}
