//! The native API's bodies for API tokens.

use serde::{Deserialize, Serialize};

use crate::api_token::ApiToken;
use crate::member::whole_never_null;

bodies! {
    /// A request for an API token of an access key.
    question NewTokenBody {
        /// The lifetime in seconds; an hour when absent. It must not be null.
        #[serde(default, deserialize_with = "whole_never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false, minimum = 1, maximum = 2_592_000))]
        ttl_seconds: Option<u64>,
    }
    /// An API token, which is shown only once. Every front door accepts it instead of the access
    /// key.
    answer TokenBody {
        /// The id with which it is listed and revoked.
        #[serde(default)]
        id: String,
        /// The token.
        token: String,
        /// The access key that it stands for.
        key: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// The time of expiry.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        expires_at: String,
    }
    /// A valid API token, without the token itself.
    answer ListedTokenBody {
        /// Its id: the first 32 hexadecimal digits of the token's SHA-256.
        id: String,
        /// The access key that it stands for.
        key: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// The time of creation.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
        /// The time of expiry.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        expires_at: String,
        /// The latest use, to within some seconds. Null for a token that was never used, or not
        /// since servers record uses.
        #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
        last_used_at: Option<String>,
    }
}

impl From<ApiToken> for ListedTokenBody {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id().to_string(),
            key: token.key.id.to_string(),
            project: token.key.project.to_string(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.to_string(),
            last_used_at: token.last_used_at.map(|at| at.to_string()),
        }
    }
}
