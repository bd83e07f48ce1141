//! Bodies about enrolments.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use crate::access_key::AccessKeyId;
use crate::cloud::enrolment::Enrolment;
#[cfg(feature = "openapi")]
use crate::cloud::{CloudAddress, GroupName};
use crate::member::whole_never_null;

/// Enrolment tokens to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewEnrolmentsBody {
    /// The access key that the devices' addresses will belong to. With `replace` it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<AccessKeyId>))]
    pub key: Option<String>,
    /// How many.
    #[serde(default, deserialize_with = "whole_never_null", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, required = false, minimum = 1, maximum = 500))]
    pub count: Option<u32>,
    /// Instead of `count`, a name for each device: 1 to 500, of up to 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 500))]
    pub names: Option<Vec<String>>,
    /// Instead of `count`, the listen address whose device is to be replaced by the one that comes: name, groups, instances and
    /// history stay, and the device that was there is sent away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<CloudAddress>))]
    pub replace: Option<String>,
    /// The groups that the addresses will let in. Without any: every connect address of the key. It is never null.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<GroupName>, required = false, max_items = 24))]
    pub allow_groups: Vec<String>,
    /// How long devices may come with them; without it, a day. At most 30 days. It is never null.
    #[serde(default, deserialize_with = "whole_never_null", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false, minimum = 1, maximum = 2_592_000))]
    pub ttl_seconds: Option<u64>,
}

/// An enrolment with its token, which is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolmentTokenBody {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub id: String,
    /// What the device will be called.
    pub name: Option<String>,
    /// What the device shows.
    pub token: String,
    /// Until when.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub expires_at: String,
}

/// An enrolment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolmentBody {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub id: String,
    /// The access key that the device's address will belong to.
    pub key: String,
    /// The project's id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub project: String,
    /// What the device will be called.
    pub name: Option<String>,
    /// The address whose device is to be replaced; null: a new address is made.
    pub replaces: Option<String>,
    /// The groups that the address will let in; none: every connect address of the key.
    pub allow_groups: Vec<String>,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub created_at: String,
    /// Until when a device may come with it.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub expires_at: String,
    /// Since when it is worth nothing.
    #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
    pub revoked_at: Option<String>,
    /// When a device came with it.
    #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
    pub used_at: Option<String>,
    /// The address that the device got.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub address: Option<String>,
}

impl From<Enrolment> for EnrolmentBody {
    fn from(enrolment: Enrolment) -> Self {
        Self {
            id: enrolment.id.to_string(),
            key: enrolment.key.to_string(),
            project: enrolment.project.to_string(),
            name: enrolment.name,
            replaces: enrolment.replaces.map(|address| address.to_string()),
            allow_groups: enrolment.groups.iter().map(ToString::to_string).collect(),
            created_at: enrolment.created_at.to_string(),
            expires_at: enrolment.expires_at.to_string(),
            revoked_at: enrolment.revoked_at.map(|at| at.to_string()),
            used_at: enrolment.used_at.map(|at| at.to_string()),
            address: enrolment.address.map(|address| address.to_string()),
        }
    }
}
