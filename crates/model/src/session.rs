//! Sessions of viewers under a grant.

use crate::access_key::AccessKeyId;
use crate::id::{GrantId, InstanceId, NodeId, ProjectId, SessionId};
use crate::{EndReason, Timestamp};

/// A session's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SessionState {
    /// A use of the grant is reserved, but the instance has not sent its screen yet.
    Reserved,
    /// A viewer is connected.
    Live,
    /// The viewer was lost and may return with its resume ticket.
    Detached,
    /// The session is over.
    Ended,
}

impl SessionState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Reserved, Self::Live, Self::Detached, Self::Ended];

    /// The state's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Live => "live",
            Self::Detached => "detached",
            Self::Ended => "ended",
        }
    }
}

/// A viewer's session under a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The grant's id.
    pub grant: GrantId,
    /// The project of that grant.
    pub project: ProjectId,
    /// The instance's name.
    pub instance: InstanceId,
    /// The access key that requested the grant. `None` for the operator, or a user of an existing
    /// cloud.
    pub key: Option<AccessKeyId>,
    /// The node that carries it.
    pub node: NodeId,
    /// The state.
    pub state: SessionState,
    /// The viewer's address.
    pub viewer: String,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time at which it ended; `None` while it is open.
    pub ended_at: Option<Timestamp>,
    /// The reason why it ended; `None` while it is open.
    pub end_reason: Option<EndReason>,
    /// The number of bytes from the instance to the viewer.
    pub bytes_to_viewer: u64,
    /// The number of bytes from the viewer to the instance.
    pub bytes_to_instance: u64,
    /// True while a connection carries it. Neither sum includes that connection's bytes yet.
    pub uncounted: bool,
}
