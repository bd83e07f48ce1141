//! Enrolments: the right of one device, not yet known, to a listen address of its own.

use super::{CloudAddress, GroupName};
use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::id::{EnrolmentId, ProjectId};

/// What is known of an enrolment, without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Its id.
    pub id: EnrolmentId,
    /// The access key that the address will belong to.
    pub key: AccessKeyId,
    /// What the address will be called.
    pub name: Option<String>,
    /// The address whose device is to be replaced; none: a new address is made.
    pub replaces: Option<CloudAddress>,
    /// That key's project.
    pub project: ProjectId,
    /// The groups that the address will let in; none: every connect address of its key.
    pub groups: Vec<GroupName>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when a device may come with it.
    pub expires_at: Timestamp,
    /// Since when it is worth nothing.
    pub revoked_at: Option<Timestamp>,
    /// When a device came with it.
    pub used_at: Option<Timestamp>,
    /// The address that it got.
    pub address: Option<CloudAddress>,
}
