//! The device and target that a connector is to reach.

use std::fmt;
use std::str::FromStr;

use transom_model::cloud::CloudAddress;
use transom_tunnel::opening;

use crate::error::SetupError;

/// A device and one of its targets: `ADDRESS` for the first target, `ADDRESS/NAME` for the target
/// of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The listen address.
    pub address: CloudAddress,
    /// The name of the target. Empty for the first one.
    pub target: String,
}

impl FromStr for Peer {
    type Err = SetupError;
    fn from_str(text: &str) -> Result<Self, SetupError> {
        let (address, target) = text.split_once('/').unwrap_or((text, ""));
        let address = address.parse().map_err(SetupError::new)?;
        if target.len() > opening::MAX_TEXT {
            return Err(SetupError::new("the target's name is too long"));
        }
        Ok(Self { address, target: target.to_owned() })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[vnccloud:{}]", self.address)
    }
}
