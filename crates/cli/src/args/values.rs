//! Values that several commands take.

use std::net::SocketAddr;

/// Parses an address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "an address is IP:PORT, such as 127.0.0.1:8080, 0.0.0.0:443 or [::]:443")
}
