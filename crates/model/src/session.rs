//! Sessions: live viewings under a grant.

use crate::id::{GrantId, InstanceId, NodeId, ProjectId, SessionId};
use crate::{EndReason, Timestamp};

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SessionState {
    /// A use is set aside; the instance has not shown its screen yet.
    Reserved,
    /// A viewer is connected.
    Live,
    /// The viewer was lost and may come back with its ticket.
    Detached,
    /// It is over.
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

/// One live viewing under a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The grant it lives under.
    pub grant: GrantId,
    /// The project of that grant.
    pub project: ProjectId,
    /// The instance's name.
    pub instance: InstanceId,
    /// The node that carries it.
    pub node: NodeId,
    /// Where it is in its life.
    pub state: SessionState,
    /// Where the viewer came from.
    pub viewer: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Bytes that the instance sent to the viewer.
    pub bytes_to_viewer: u64,
    /// Bytes that the viewer sent to the instance.
    pub bytes_to_instance: u64,
}
