//! `[relay]`: sessions between agents and connectors.

use std::net::SocketAddr;

use serde::Deserialize;
use transom_tunnel::message::MAX_HOST_PORT;

use crate::duration::Limit;

/// Sessions between agents and connectors.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayConfig {
    /// The listener for raw data connections, in addition to upgrades on the main port; `None` by
    /// default.
    pub listen: Option<SocketAddr>,
    /// The `HOST:PORT` of that listener as agents and connectors reach it. `None` for the public
    /// URL's host and the listener's port.
    pub public_address: Option<String>,
    /// The number of data connections that an agent holds open in advance for its next sessions. It
    /// opens them after its first session.
    pub warm: usize,
    /// The longest duration of a session.
    pub max_session: Limit,
    /// The longest time for which a session may carry no data.
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
