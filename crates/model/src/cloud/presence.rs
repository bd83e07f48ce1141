//! Presence: the device joined under an address, and its changes.

use std::fmt;
use std::str::FromStr;

use super::CloudAddress;
use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::id::{NodeId, ParseIdError, ProjectId};

/// The presence of a device under an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Increases with every join. Of two devices that claim the address, the one with the higher
    /// epoch holds it.
    pub epoch: u64,
    /// The node at which the device is joined; `None` while it is offline.
    pub node: Option<NodeId>,
    /// The last time that a device was joined; `None` before the first join.
    pub last_seen: Option<Timestamp>,
}

/// The presence of an address's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PresenceState {
    /// The device is joined.
    Online,
    /// The device is not joined.
    Offline,
    /// The address was removed or moved to another key.
    Removed,
}

impl PresenceState {
    /// The state's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Removed => "removed",
        }
    }

    /// The state of an existing address.
    #[must_use]
    pub fn of(presence: &Presence) -> Self {
        if presence.node.is_some() { Self::Online } else { Self::Offline }
    }
}

impl fmt::Display for PresenceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PresenceState {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        [Self::Online, Self::Offline, Self::Removed]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(ParseIdError { what: "presence", problem: "must be online, offline or removed" })
    }
}

/// The latest change of an address's presence under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// Increases with every change of any address.
    pub seq: i64,
    /// The address.
    pub address: CloudAddress,
    /// The access key that owns, or owned, the address.
    pub key: AccessKeyId,
    /// That key's project.
    pub project: ProjectId,
    /// The new state.
    pub state: PresenceState,
    /// The time of the change.
    pub at: Timestamp,
}
