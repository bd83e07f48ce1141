//! Enrollments: each entitles one unknown device to a listen address.

use super::{CloudAddress, GroupName};
use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::id::{EnrollmentId, ProjectId};

/// An enrollment's record, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// The access key that will own the address.
    pub key: AccessKeyId,
    /// The address's future name.
    pub name: Option<String>,
    /// The address whose device will be replaced; `None` for a new address.
    pub replaces: Option<CloudAddress>,
    /// That key's project.
    pub project: ProjectId,
    /// The groups that the address will let in. When empty, it lets in every connect address of its
    /// key.
    pub groups: Vec<GroupName>,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of expiry.
    pub expires_at: Timestamp,
    /// The time of revocation; `None` while the enrollment is valid.
    pub revoked_at: Option<Timestamp>,
    /// The time at which a device used it.
    pub used_at: Option<Timestamp>,
    /// The address that the device received.
    pub address: Option<CloudAddress>,
}
