//! The record of the device at an address, for its administrators.

use std::net::IpAddr;

use crate::Timestamp;

/// The record of the device that joined last under an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The agent's name and version. `None` before the first join, and for a device that speaks the
    /// repeater's protocol.
    pub program: Option<String>,
    /// The host name that its machine reported.
    pub host_name: Option<String>,
    /// The targets to which its agent forwards.
    pub targets: Vec<String>,
    /// The address from which it joined.
    pub source: Option<IpAddr>,
    /// The key that it presented, as it reported it or as consoles refused it.
    pub key: Option<String>,
    /// The key that consoles trust.
    pub trusted_key: Option<String>,
    /// Another machine that uses the same address alternately with this one.
    pub rival: Option<Rival>,
    /// The time at which another machine, or another key, took over the address.
    pub renewed_at: Option<Timestamp>,
}

/// A second machine with the same identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// The host name that it reported.
    pub host_name: Option<String>,
    /// The address from which it joined.
    pub source: Option<IpAddr>,
    /// The last time that one of the two displaced the other.
    pub at: Timestamp,
}

/// An agent's report on its machine when it joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceReport {
    /// The machine's host name.
    pub host_name: Option<String>,
    /// The targets to which the agent forwards.
    pub targets: Vec<String>,
    /// The key that it presents.
    pub key: Option<String>,
    /// A mark that distinguishes this agent process from another one that runs at the same time.
    pub run: Option<String>,
}
