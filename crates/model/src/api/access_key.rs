//! The native API's bodies for access keys.

use serde::{Deserialize, Serialize};

use crate::access_key::{AccessKey, Role};
use crate::member::{never_null, null_as_missing};
#[cfg(feature = "openapi")]
use crate::schema;

bodies! {
    /// A request for a new access key.
    question NewKeyBody {
        /// The project's name or id.
        #[cfg_attr(feature = "openapi", schema(value_type = schema::ProjectWord))]
        project: String,
        /// The display name.
        #[serde(default, deserialize_with = "null_as_missing")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::KeyName>))]
        name: String,
        /// `reader`, `member` or `admin`; `member` when absent. It must not be null, because a null
        /// would grant more than `reader`.
        #[serde(default, deserialize_with = "never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = Role, required = false))]
        role: Option<Role>,
    }
    /// An access key without its secrets.
    answer KeyBody {
        /// Its id.
        id: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// The display name.
        name: String,
        /// The rights of its holder.
        role: Role,
        /// The time of creation.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
        /// The time of revocation, or null.
        #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
        revoked_at: Option<String>,
        /// The number of valid secrets.
        active_secrets: u32,
    }
    /// An access key and its new secret, which is shown only once.
    answer KeySecretBody {
        /// Its id.
        id: String,
        /// The secret.
        secret: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
    }
}

impl From<AccessKey> for KeyBody {
    fn from(key: AccessKey) -> Self {
        Self {
            id: key.id.to_string(),
            project: key.project.to_string(),
            name: key.name,
            role: key.role,
            created_at: key.created_at.to_string(),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
            active_secrets: key.active_secrets,
        }
    }
}
