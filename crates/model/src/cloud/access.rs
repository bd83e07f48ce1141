//! Who may connect to whom.

use std::fmt;
use std::str::FromStr;

use super::CloudAddress;
use crate::access_key::AccessKeyId;
use crate::id::{ParseIdError, text_id};

/// What an address does. Which side speaks RFB's server part is not decided by it.
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

/// A group's name: 1 to 256 characters (Unicode scalar values), compared as they are.
///
/// Nothing is trimmed, folded or normalised: two names are the same group only if every code point is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);
text_id!(GroupName);

impl GroupName {
    /// The most characters.
    pub const MAX: usize = 256;
}

impl FromStr for GroupName {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        // One more than the limit tells enough; the rest need not be counted.
        let characters = text.chars().take(Self::MAX + 1).count();
        if characters == 0 || characters > Self::MAX {
            return Err(ParseIdError { what: "group name", problem: "must be 1 to 256 characters" });
        }
        Ok(Self(text.to_owned()))
    }
}

/// What an address does, and whom it reaches or lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It connects, as a member of these groups (at most 16, none twice).
    Connect {
        /// The groups.
        groups: Vec<GroupName>,
    },
    /// It listens, and lets these in; none: every connect address of its own access key.
    Listen {
        /// Who may connect.
        access: Option<AccessControl>,
    },
}

impl Reach {
    /// What the address does.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Connect { .. } => Action::Connect,
            Self::Listen { .. } => Action::Listen,
        }
    }

    /// Whether the address is a member of this group, or lets it in.
    #[must_use]
    pub fn names(&self, group: &GroupName) -> bool {
        match self {
            Self::Connect { groups } => groups.contains(group),
            Self::Listen { access } => access.as_ref().is_some_and(|access| access.groups.contains(group)),
        }
    }
}

/// Who may connect to a listening address: members of these groups, and these addresses. At least one of the two is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessControl {
    /// Groups, at most 24, none twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupName>,
    /// Individual addresses, at most 8, none twice. They need not exist.
    #[serde(default, rename = "cloudAddresses", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<CloudAddress>,
}

/// One side of a connection that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// Its address.
    pub address: &'a CloudAddress,
    /// The access key that the address belongs to.
    pub key: &'a AccessKeyId,
    /// What it does and whom it reaches.
    pub reach: &'a Reach,
}

/// Whether a connection may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// Same key, but not permitted: `CloudConnectionRefused`, whether or not the listener is online.
    Refused,
    /// Another key's: `CloudTargetNotFound`, as if there were no such address.
    NotFound,
}

/// Whether a listener may name individual addresses of other access keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrossKey {
    /// Everything is within one key.
    #[default]
    Deny,
    /// An individually named address of another key may connect.
    AllowIndividuals,
}

/// The access rule: whether `connector` may connect to `listener`.
#[must_use]
pub fn judge(connector: Party<'_>, listener: Party<'_>, cross_key: CrossKey) -> Verdict {
    let same_key = connector.key == listener.key;
    let denied = if same_key { Verdict::Refused } else { Verdict::NotFound };
    let (Reach::Connect { groups }, Reach::Listen { access }) = (connector.reach, listener.reach) else {
        return denied;
    };
    let allowed = match access {
        // Groups are scoped to the key: a name of another key's is another group.
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
