//! Presence: whether a device is joined under an address, and how that changes.

use std::fmt;
use std::str::FromStr;

use super::CloudAddress;
use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::id::{NodeId, ParseIdError, ProjectId};

/// Whether a device is joined under an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Rises with every join: of two who say they are this address, the higher one is.
    pub epoch: u64,
    /// The node that it is joined at; none: offline.
    pub node: Option<NodeId>,
    /// When it was last joined; none: never.
    pub last_seen: Option<Timestamp>,
}

/// What became of an address's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PresenceState {
    /// It is joined.
    Online,
    /// It is not, or no longer.
    Offline,
    /// The address is no longer there, or no longer under this key.
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

    /// The state of an address that is there.
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

/// The last change of an address's presence under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// Rises with every change of any address.
    pub seq: i64,
    /// The address.
    pub address: CloudAddress,
    /// The access key that it belongs to, or belonged to.
    pub key: AccessKeyId,
    /// That key's project.
    pub project: ProjectId,
    /// What became of its device.
    pub state: PresenceState,
    /// When.
    pub at: Timestamp,
}
