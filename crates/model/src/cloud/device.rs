//! What is known of the device at an address, for the people who look after it.

use std::net::IpAddr;

use crate::Timestamp;

/// What is known of the device that joined last under an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The program, with its version; none: it never joined, or speaks the repeater's protocol.
    pub program: Option<String>,
    /// What its machine calls itself.
    pub host_name: Option<String>,
    /// Where its agent forwards to.
    pub targets: Vec<String>,
    /// Where it joined from.
    pub source: Option<IpAddr>,
    /// The key that it shows, as it says, or as it was refused to a console with.
    pub key: Option<String>,
    /// The key by which consoles know it.
    pub trusted_key: Option<String>,
    /// Another machine that uses the same address, in turn with this one.
    pub rival: Option<Rival>,
    /// Since when another machine, or another key, is at the address than before.
    pub renewed_at: Option<Timestamp>,
}

/// A second machine with one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// What it calls itself.
    pub host_name: Option<String>,
    /// Where it joined from.
    pub source: Option<IpAddr>,
    /// When the two were last seen to drive each other out.
    pub at: Timestamp,
}

/// What an agent says of its machine when it joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceReport {
    /// What the machine calls itself.
    pub host_name: Option<String>,
    /// Where the agent forwards to.
    pub targets: Vec<String>,
    /// The key that it shows.
    pub key: Option<String>,
    /// What tells this agent from one that runs at the same time.
    pub run: Option<String>,
}
