//! The native API's body for sessions.

use serde::{Deserialize, Serialize};

use crate::session::{Session, SessionState};

bodies! {
    /// A session.
    answer SessionBody {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        id: String,
        /// The link's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        link: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// The instance's id.
        instance: String,
        /// The key that requested the link. Null for the operator.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required))]
        key: Option<String>,
        /// The id of the node that carries it.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        node: String,
        /// The state.
        state: SessionState,
        /// The viewer's address.
        viewer: String,
        /// The time of creation.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
        /// The time at which it ended, or null.
        #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
        ended_at: Option<String>,
        /// The reason why it ended, or null.
        #[cfg_attr(feature = "openapi", schema(required))]
        end_reason: Option<String>,
        /// The number of bytes from the instance to the viewer.
        bytes_to_viewer: u64,
        /// The number of bytes from the viewer to the instance.
        bytes_to_instance: u64,
        /// True while another node carries it. That node counts its bytes when the connection ends.
        #[serde(default)]
        uncounted: bool,
    }
    /// The numbers of links and sessions that ended with a revoked, retired or removed object.
    answer EndedBody {
        /// The object's id.
        id: String,
        /// The number of links that opened, or had an open session.
        links: u32,
        /// The number of open sessions.
        sessions: u32,
    }
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            link: session.grant.to_string(),
            project: session.project.to_string(),
            instance: session.instance.to_string(),
            key: session.key.map(|key| key.to_string()),
            node: session.node.to_string(),
            state: session.state,
            viewer: session.viewer,
            created_at: session.created_at.to_string(),
            ended_at: session.ended_at.map(|at| at.to_string()),
            end_reason: session.end_reason.map(|reason| reason.to_string()),
            bytes_to_viewer: session.bytes_to_viewer,
            bytes_to_instance: session.bytes_to_instance,
            uncounted: session.uncounted,
        }
    }
}
