//! The access rule between cloud addresses.

use std::fmt;
use std::str::FromStr;

use super::CloudAddress;
use crate::access_key::AccessKeyId;
use crate::id::{ParseIdError, text_id};

/// An address's role. It is independent of the RFB role, client or server, of either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Action {
    /// Opens connections.
    Connect,
    /// Waits for connections.
    Listen,
}

impl Action {
    /// The action's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Listen => "listen",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        [Self::Connect, Self::Listen]
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or(ParseIdError { what: "action", problem: "must be connect or listen" })
    }
}

/// A group's name: 1 to 256 characters (Unicode scalar values).
///
/// Names are not trimmed, case-folded or normalized. Two names denote the same group only if all
/// their code points are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);
text_id!(GroupName);

impl GroupName {
    /// The maximum number of characters.
    pub const MAX: usize = 256;
}

impl FromStr for GroupName {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        // One character more than the limit decides; the rest need not be counted.
        let characters = text.chars().take(Self::MAX + 1).count();
        if characters == 0 || characters > Self::MAX {
            return Err(ParseIdError { what: "group name", problem: "must be 1 to 256 characters" });
        }
        Ok(Self(text.to_owned()))
    }
}

/// An address's action, and the addresses that it reaches or lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Connects, as a member of at most 16 distinct groups.
    Connect {
        /// The groups.
        groups: Vec<GroupName>,
    },
    /// Listens, and lets in the addresses that `access` permits.
    Listen {
        /// The permitted connectors; `None` for every connect address of the same access key.
        access: Option<AccessControl>,
    },
}

impl Reach {
    /// The address's action.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Connect { .. } => Action::Connect,
            Self::Listen { .. } => Action::Listen,
        }
    }

    /// Returns whether the address is a member of this group, or lets it in.
    #[must_use]
    pub fn names(&self, group: &GroupName) -> bool {
        match self {
            Self::Connect { groups } => groups.contains(group),
            Self::Listen { access } => access.as_ref().is_some_and(|access| access.groups.contains(group)),
        }
    }
}

/// The permitted connectors of a listen address: members of groups, and individual addresses. At
/// least one of the lists is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessControl {
    /// At most 24 distinct groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupName>,
    /// At most 8 distinct addresses. They need not exist.
    #[serde(default, rename = "cloudAddresses", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<CloudAddress>,
}

/// An end of a requested connection.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// Its address.
    pub address: &'a CloudAddress,
    /// The access key that the address belongs to.
    pub key: &'a AccessKeyId,
    /// Its action, and the addresses that it reaches or lets in.
    pub reach: &'a Reach,
}

/// The decision on a requested connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The connection is permitted.
    Allowed,
    /// The key is the same, but the listener does not permit the connector. The answer is
    /// `CloudConnectionRefused`, whether or not the listener is online.
    Refused,
    /// The listener belongs to another key. The answer is `CloudTargetNotFound`, as for an unknown
    /// address.
    NotFound,
}

/// The policy on listeners that name individual addresses of other access keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrossKey {
    /// Permits connections within one key only.
    #[default]
    Deny,
    /// Permits an individually named address of another key to connect.
    AllowIndividuals,
}

/// Applies the access rule: decides whether `connector` may connect to `listener`.
#[must_use]
pub fn judge(connector: Party<'_>, listener: Party<'_>, cross_key: CrossKey) -> Verdict {
    let same_key = connector.key == listener.key;
    let denied = if same_key { Verdict::Refused } else { Verdict::NotFound };
    let (Reach::Connect { groups }, Reach::Listen { access }) = (connector.reach, listener.reach) else {
        return denied;
    };
    let allowed = match access {
        // Groups belong to a key, so equal names under two keys denote two groups.
        None => same_key,
        Some(access) => {
            let individually = access.addresses.contains(connector.address);
            let by_group = || access.groups.iter().any(|group| groups.contains(group));
            if same_key {
                individually || by_group()
            } else {
                individually && cross_key == CrossKey::AllowIndividuals
            }
        }
    };
    if allowed { Verdict::Allowed } else { denied }
}

#[cfg(test)]
mod tests;
