//! `[limits]`: limits on connections, sessions and attempts.

use std::time::Duration;

use serde::Deserialize;

use crate::duration::HumanDuration;

/// Limits on connections, sessions and attempts.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Failed authentications per second and source address; loopback is exempt.
    pub failed_authentications: u32,
    /// Tokens per minute and source address that neither Transom nor the existing cloud knows;
    /// loopback is exempt.
    pub unknown_tokens_per_minute: u32,
    /// Connections from one source address that have not yet sent a request. Connections of devices
    /// count until the device has proved its identity.
    pub half_open_per_source: usize,
    /// The same over all sources.
    pub half_open: usize,
    /// Bytes of requests that are buffered for one source before its callers have authenticated.
    pub unproved_bytes_per_source: usize,
    /// The same over all sources.
    pub unproved_bytes: usize,
    /// HTTP connections from one source address; one that became a WebSocket does not count.
    pub http_per_source: usize,
    /// The same over all sources.
    pub http: usize,
    /// Sessions at once under one link.
    pub sessions_per_link: usize,
    /// Sessions at once under the links of one access key.
    pub sessions_per_key: usize,
    /// Sessions at once on this node.
    pub sessions: usize,
    /// Connectors joined at once under one address. The same limit applies to their sessions with
    /// devices at once.
    pub device_sessions_per_address: usize,
    /// The time that sessions have to end after SIGTERM before the server ends them.
    pub drain: HumanDuration,
    /// The timing of a node's life. It is not read from the file, because every node on a database
    /// must use the same values.
    #[serde(skip)]
    pub node: NodeLimits,
}

/// The timing of a node's life. A node proves that it is alive by beats, updates of its row in the
/// database.
#[derive(Clone, Copy, Debug)]
pub struct NodeLimits {
    /// The interval between two beats.
    pub beat: Duration,
    /// The time after its last successful beat at which a node ends its sessions. It is early
    /// enough that no other node can declare it gone before, however long beats and checks take.
    pub fence: Duration,
    /// The time for which another node must have seen the same beat before it declares the node
    /// gone.
    pub gone: Duration,
    /// The longest interval between two of another node's checks. After a longer one, it starts to
    /// count again.
    pub gap: Duration,
    /// The interval between two comparisons of the node's sessions with those in the database.
    /// After a missed beat, the next successful beat compares at once.
    pub compare: Duration,
    /// The most revocations of one project that the node holds in memory while the database cannot
    /// store them.
    pub owed_per_project: usize,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(5),
            fence: Duration::from_secs(45),
            gone: Duration::from_secs(60),
            gap: Duration::from_secs(10),
            compare: Duration::from_secs(30),
            owed_per_project: 1000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            failed_authentications: 200,
            unknown_tokens_per_minute: 30,
            half_open_per_source: 256,
            half_open: 4096,
            unproved_bytes_per_source: 4 * 1024 * 1024,
            unproved_bytes: 32 * 1024 * 1024,
            http_per_source: 512,
            http: 8192,
            sessions_per_link: 16,
            sessions_per_key: 4096,
            sessions: 20_000,
            device_sessions_per_address: 256,
            drain: HumanDuration(Duration::from_secs(10)),
            node: NodeLimits::default(),
        }
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.device_sessions_per_address == 0 {
            return Err(
                "limits.device_sessions_per_address: must be more than 0, because otherwise no viewer can join".to_owned()
            );
        }
        Ok(())
    }
}
