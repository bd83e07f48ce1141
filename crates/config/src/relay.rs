//! `[relay]`: sessions between agents and connectors.

use std::net::SocketAddr;

use serde::Deserialize;
use transom_tunnel::message::MAX_HOST_PORT;

use crate::duration::Limit;

/// Sessions between agents and connectors.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayConfig {
    /// Where raw data connections are taken, besides the upgrades on the one port; none by default.
    pub listen: Option<SocketAddr>,
    /// `HOST:PORT` of that listener as agents and connectors are told; the public URL's host and the listener's port, where it
    /// is not said.
    pub public_address: Option<String>,
    /// How many data connections an agent keeps ready for a next session once it has had one.
    pub warm: usize,
    /// How long a session may last.
    pub max_session: Limit,
    /// How long a session may carry nothing.
    pub idle: Limit,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self { listen: None, public_address: None, warm: 1, max_session: Limit(None), idle: Limit(None) }
    }
}

impl RelayConfig {
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(place) = &self.public_address else { return Ok(()) };
        let named = place
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0));
        if !named || place.len() > MAX_HOST_PORT {
            return Err(
                "relay.public_address: must be HOST:PORT, such as console.example.com:5443".to_owned()
            );
        }
        Ok(())
    }
}
