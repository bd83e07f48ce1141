//! Grants: permissions to open one console.

use std::fmt;
use std::time::Duration;

use crate::access_key::AccessKeyId;
use crate::console_kind::ConsoleKind;
use crate::dialect::Dialect;
use crate::id::{GrantId, InstanceId, InstanceUid, ProjectId, RequestId};
use crate::instance::Sealed;
use crate::secret::TokenDigest;
use crate::{EndReason, Timestamp};
use uuid::Uuid;

/// The maximum lifetime of a grant.
pub const MAX_TTL: Duration = Duration::from_secs(7 * 24 * 3600);
/// The maximum number of uses of a grant whose uses are counted.
pub const MAX_USES: u32 = 10_000;

/// The rights of a viewer under a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rights {
    /// Drops the viewer's keys, pointer and clipboard.
    pub view_only: bool,
    /// Lets the clipboard pass from the viewer to the instance. The other direction is always open,
    /// as pixels are.
    pub clipboard: bool,
}

impl Default for Rights {
    fn default() -> Self {
        Self { view_only: false, clipboard: true }
    }
}

impl fmt::Display for Rights {
    /// Writes the rights as text for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self { view_only: true, .. } => "view only",
            Self { clipboard: false, .. } => "no clipboard",
            Self { .. } => "full control",
        })
    }
}

/// The credential that an access key's holder presented. Its revocation also ends everything
/// created with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MadeWith {
    /// The API token that was presented; `None` for a secret.
    pub token: Option<TokenDigest>,
    /// The key's secret that was presented or that the token was obtained with. `None` for the
    /// operator's token, or when the secret is unknown.
    pub secret: Option<Uuid>,
}

/// A grant with its present standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownGrant {
    /// The grant, which counts as revoked if its key is.
    pub grant: Grant,
    /// The reason why it opens no session; `None` if it would open one.
    pub refusal: Option<EndReason>,
    /// The number of its open sessions.
    pub open_sessions: u32,
}

/// Permission to open one console, without its secret token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The public id.
    pub id: GrantId,
    /// The project whose instance it opens.
    pub project: ProjectId,
    /// The key that requested it; `None` for the operator.
    pub key: Option<AccessKeyId>,
    /// The front door through which it was requested.
    pub dialect: Dialect,
    /// The form of the URL.
    pub kind: ConsoleKind,
    /// The instance it opens.
    pub instance_uid: InstanceUid,
    /// The instance's name when the grant was created.
    pub instance: InstanceId,
    /// The rights of the viewer.
    pub rights: Rights,
    /// The id of the call that created it.
    pub request: RequestId,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time after which it opens no session.
    pub expires_at: Timestamp,
    /// The time by which every session under it ends. `None` when only the limits of a session
    /// apply.
    pub ends_at: Option<Timestamp>,
    /// The number of uses; `None` for unlimited use until expiry.
    pub uses: Option<u32>,
    /// The number of uses left; `None` for unlimited use.
    pub uses_left: Option<u32>,
    /// The time of revocation; `None` while the grant is valid.
    pub revoked_at: Option<Timestamp>,
    /// The token of another cloud's console, if the grant is for one. That cloud names the endpoint
    /// at every connect; the inventory has no such instance.
    pub foreign: Option<Sealed>,
    /// The credential that it was created with.
    pub made_with: MadeWith,
}
