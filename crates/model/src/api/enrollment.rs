//! The native API's bodies for enrollments.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use crate::access_key::AccessKeyId;
use crate::cloud::enrollment::Enrollment;
#[cfg(feature = "openapi")]
use crate::cloud::{CloudAddress, GroupName};
use crate::member::whole_never_null;
#[cfg(feature = "openapi")]
use crate::schema;

/// A request for enrollment tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewEnrollmentsBody {
    /// The access key that will own the devices' addresses. It is optional with `replace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<AccessKeyId>))]
    pub key: Option<String>,
    /// The number of tokens.
    #[serde(default, deserialize_with = "whole_never_null", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u32, required = false, minimum = 1, maximum = 500))]
    pub count: Option<u32>,
    /// A name for each device, instead of `count`: 1 to 500 names of up to 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<schema::DeviceName>>, min_items = 1, max_items = 500))]
    pub names: Option<Vec<String>>,
    /// A listen address whose device will be replaced, instead of `count`. Its name, groups,
    /// instances and history stay. The server disconnects the present device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<CloudAddress>))]
    pub replace: Option<String>,
    /// The groups that the addresses will let in. When absent, they let in every connect address of
    /// the key. It must not be null.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<GroupName>, required = false, max_items = 24))]
    pub allow_groups: Vec<String>,
    /// The lifetime of the tokens in seconds, at most 30 days; a day when absent. It must not be
    /// null.
    #[serde(default, deserialize_with = "whole_never_null", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false, minimum = 1, maximum = 2_592_000))]
    pub ttl_seconds: Option<u64>,
}

/// An enrollment and its token, which is shown only once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrollmentTokenBody {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub id: String,
    /// The device's future name.
    pub name: Option<String>,
    /// The token that the device presents.
    pub token: String,
    /// The time of expiry.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub expires_at: String,
}

/// An enrollment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrollmentBody {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub id: String,
    /// The access key that will own the device's address.
    pub key: String,
    /// The project's id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub project: String,
    /// The device's future name.
    pub name: Option<String>,
    /// The address whose device will be replaced. Null: the device gets a new address.
    pub replaces: Option<String>,
    /// The groups that the address will let in. When empty, it lets in every connect address of the
    /// key.
    pub allow_groups: Vec<String>,
    /// The time of creation.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub created_at: String,
    /// The time of expiry.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub expires_at: String,
    /// The time of revocation, or null.
    #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
    pub revoked_at: Option<String>,
    /// The time at which a device used it, or null.
    #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
    pub used_at: Option<String>,
    /// The address that the device received, or null.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub address: Option<String>,
}

impl From<Enrollment> for EnrollmentBody {
    fn from(enrollment: Enrollment) -> Self {
        Self {
            id: enrollment.id.to_string(),
            key: enrollment.key.to_string(),
            project: enrollment.project.to_string(),
            name: enrollment.name,
            replaces: enrollment.replaces.map(|address| address.to_string()),
            allow_groups: enrollment.groups.iter().map(ToString::to_string).collect(),
            created_at: enrollment.created_at.to_string(),
            expires_at: enrollment.expires_at.to_string(),
            revoked_at: enrollment.revoked_at.map(|at| at.to_string()),
            used_at: enrollment.used_at.map(|at| at.to_string()),
            address: enrollment.address.map(|address| address.to_string()),
        }
    }
}
