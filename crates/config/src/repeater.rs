//! `[repeater]`: devices and viewers that speak the UltraVNC repeater's protocol.

use std::net::SocketAddr;

use serde::Deserialize;

/// Devices and viewers that speak the UltraVNC repeater's protocol; off unless an address is given.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Repeater {
    /// The listener at which devices join by a ticket, such as `0.0.0.0:5500`.
    pub devices: Option<SocketAddr>,
    /// The listener at which viewers open a device by a one-time ID, such as `0.0.0.0:5901`.
    pub viewers: Option<SocketAddr>,
    /// Connections at once from one source, waiting devices included.
    pub per_source: usize,
    /// The same over all sources.
    pub in_all: usize,
    /// Wrong tickets per minute and source, for devices and viewers separately; loopback is exempt.
    pub wrong_tickets_per_minute: u32,
    /// The same over all sources, loopback included. It limits the rate of guesses from any number
    /// of addresses, because a ticket may be only a number.
    pub wrong_tickets_per_minute_in_all: u32,
}

impl Default for Repeater {
    fn default() -> Self {
        Self {
            devices: None,
            viewers: None,
            per_source: 64,
            in_all: 4096,
            wrong_tickets_per_minute: 10,
            wrong_tickets_per_minute_in_all: 300,
        }
    }
}
