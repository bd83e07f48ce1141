//! API tokens: shown instead of an access key for a while. Every front door takes them.

use crate::Timestamp;
use crate::access_key::AccessKey;
use uuid::Uuid;

/// A token that is valid, without the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// The key it stands for, as it is now.
    pub key: AccessKey,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is valid.
    pub expires_at: Timestamp,
    /// The key's secret that it was got with, through any number of other tokens; none: another proof.
    pub secret: Option<Uuid>,
}
