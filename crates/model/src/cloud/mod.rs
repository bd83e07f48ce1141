//! Cloud addresses: the identities under which devices join and viewers reach them, and the rules
//! for access between them.
//!
//! An address belongs to one access key. It either listens (a device) or connects (a viewer). The
//! listener's owner chooses the permitted connectors; see [`access::judge`]. The store holds only a
//! SCRAM verifier of the password.

pub mod access;
mod address;
mod device;
pub mod draft;
pub mod enrollment;
mod enrollment_token;
mod password;
mod presence;

use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::id::ProjectId;
use crate::secret::TokenDigest;

pub use access::{AccessControl, Action, GroupName, Reach};
pub use address::CloudAddress;
pub use device::{Device, DeviceReport, Rival};
pub use draft::{Amendment, Draft, DraftAccessControl, DraftError};
pub use enrollment_token::{EnrollmentToken, NotAToken};
pub use password::{CloudPassword, ITERATIONS, SALT, ScramProof, Verifier};
pub use presence::{Presence, PresenceChange, PresenceState};

/// A cloud address's record, without its password's verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRecord {
    /// Increases whenever a party other than the operator lets another device use the address.
    /// Secrets that instances entrusted to the previous device are withheld from the next one.
    pub generation: u64,
    /// The address.
    pub address: CloudAddress,
    /// The display name.
    pub name: Option<String>,
    /// The access key that it belongs to.
    pub key: AccessKeyId,
    /// That key's project.
    pub project: ProjectId,
    /// The address's action, and the addresses that it reaches or lets in.
    pub reach: Reach,
    /// The entity version. It increases with every change and every reset, never through reading or
    /// use.
    pub version: u64,
    /// The time of issue.
    pub created_at: Timestamp,
    /// The time of the latest change or reset.
    pub changed_at: Timestamp,
    /// The device's presence.
    pub presence: Presence,
    /// The digest of the ticket with which a device joins that speaks the UltraVNC repeater's
    /// protocol.
    pub repeater_ticket: Option<TokenDigest>,
    /// True if the latest agent accepts only end-to-end encrypted sessions.
    pub end_to_end_only: bool,
    /// The record of its device.
    pub device: Device,
}
