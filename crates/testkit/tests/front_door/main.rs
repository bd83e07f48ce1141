//! Grants, gateway and the one port, through the front door: a real server, real sockets, exact answers.
#![expect(clippy::unwrap_used, reason = "tests")]

mod acceptance;
mod budgets;
mod channel_binding;
mod crowd;
mod device_reconnects;
mod device_sessions;
mod devices;
mod endings;
mod endpoint_keys;
mod flow;
mod handshakes;
mod http_connections;
mod instances;
mod later_versions;
mod leftovers;
mod links;
mod metrics;
mod monitors;
mod native_api;
mod one_port;
mod origins;
mod outage;
mod page;
mod relay;
mod restarts;
mod rights;
mod secrets;
mod slow;
mod stage;
mod targets;
mod tickets;
mod tokens;
mod told;
mod viewers;
mod websockets;
