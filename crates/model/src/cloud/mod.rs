//! Cloud addresses: the identities by which devices join and viewers reach them, and who may reach whom.
//!
//! An address is issued under one access key. It either listens (a device) or connects (a viewer); which addresses
//! may connect is the listener's own choice, see [`access::judge`]. Its password is kept as a SCRAM verifier only.

pub mod access;
mod address;
mod device;
pub mod draft;
pub mod enrolment;
mod enrolment_token;
mod password;
mod presence;

use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::id::ProjectId;
use crate::secret::TokenDigest;

pub use access::{AccessControl, Action, GroupName, Reach};
pub use address::CloudAddress;
pub use device::{Device, DeviceReport, Rival};
pub use draft::{Amendment, Draft, DraftAccessControl, DraftFault};
pub use enrolment_token::{EnrolmentToken, NotAToken};
pub use password::{CloudPassword, ITERATIONS, SALT, ScramProof, Verifier};
pub use presence::{Presence, PresenceChange, PresenceState};

/// What is known of a cloud address, without its password's verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRecord {
    /// Raised whenever somebody below the operator lets another device stand at the address: what instances entrusted to the
    /// device before is not for the one that comes.
    pub generation: u64,
    /// The address.
    pub address: CloudAddress,
    /// What people call it.
    pub name: Option<String>,
    /// The access key that it belongs to.
    pub key: AccessKeyId,
    /// That key's project.
    pub project: ProjectId,
    /// What it does, and whom it reaches or lets in.
    pub reach: Reach,
    /// Its entity version: rises with every change and every reset, never by being read or used.
    pub version: u64,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was last changed or reset.
    pub changed_at: Timestamp,
    /// Whether a device is joined under it.
    pub presence: Presence,
    /// What is kept of the text by which a device joins that speaks the UltraVNC repeater's protocol.
    pub repeater_ticket: Option<TokenDigest>,
    /// The agent that joined last takes nobody who could see what passes.
    pub end_to_end_only: bool,
    /// What is known of its device.
    pub device: Device,
}
