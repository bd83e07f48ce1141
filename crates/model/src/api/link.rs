//! The native API's bodies for links and their use.

use serde::{Deserialize, Serialize};

use super::audit::AuditBody;
use super::session::SessionBody;
use crate::console_kind::ConsoleKind;
use crate::dialect::Dialect;
use crate::grant::{Rights, ShownGrant};

bodies! {
    /// A link.
    answer LinkBody {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        id: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// The key that requested it. Null for the operator.
        #[cfg_attr(feature = "openapi", schema(required))]
        key: Option<String>,
        /// The front door through which it was requested.
        dialect: Dialect,
        /// The form of the URL.
        kind: ConsoleKind,
        /// The instance's id.
        instance: String,
        /// The rights of the viewer.
        rights: Rights,
        /// The id of the call that created it.
        request_id: String,
        /// The time of creation.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
        /// The time after which it opens no session.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        expires_at: String,
        /// The time by which every session under it ends. Null when only the limits of a session
        /// apply.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
        ends_at: Option<String>,
        /// The number of uses. Null for unlimited use until expiry.
        #[cfg_attr(feature = "openapi", schema(required))]
        uses: Option<u32>,
        /// The number of uses left. Null for unlimited use.
        #[cfg_attr(feature = "openapi", schema(required))]
        uses_left: Option<u32>,
        /// The time of revocation, or null.
        #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
        revoked_at: Option<String>,
        /// The reason why it opens no session, as the error `code` of a console. Null if it would
        /// open one.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required))]
        refusal: Option<String>,
        /// The number of open sessions under it.
        #[serde(default)]
        open_sessions: u32,
    }
    /// A link, its creator, and its uses.
    answer LinkReportBody {
        /// The link.
        link: LinkBody,
        /// At most 1000 of its sessions, the newest first. Open sessions, and those that this call
        /// ended, take precedence.
        uses: Vec<LinkUseBody>,
        /// The newest 1000 of its audit records, the oldest first. Absent if the caller may not
        /// read the audit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trail: Option<Vec<AuditBody>>,
    }
    /// A session under a link.
    answer LinkUseBody {
        /// The session.
        session: SessionBody,
        /// The duration in seconds, from the start to the end or until now.
        duration_seconds: u64,
        /// True if the session was open when this call revoked the link. The session is over now.
        ended_now: bool,
        /// The origins of the attempts to open it, the newest last. Absent if the caller may not
        /// read the audit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origins: Option<Vec<OriginBody>>,
    }
    /// The origin of a call.
    answer OriginBody {
        /// The caller's address. Behind a trusted proxy, the address that the proxy names.
        source: String,
        /// The calling program's own description of itself.
        #[cfg_attr(feature = "openapi", schema(required))]
        user_agent: Option<String>,
    }
}

impl From<ShownGrant> for LinkBody {
    fn from(ShownGrant { grant, refusal, open_sessions }: ShownGrant) -> Self {
        Self {
            id: grant.id.to_string(),
            project: grant.project.to_string(),
            key: grant.key.map(|key| key.to_string()),
            dialect: grant.dialect,
            kind: grant.kind,
            instance: grant.instance.to_string(),
            rights: grant.rights,
            request_id: grant.request.to_string(),
            created_at: grant.created_at.to_string(),
            expires_at: grant.expires_at.to_string(),
            ends_at: grant.ends_at.map(|at| at.to_string()),
            uses: grant.uses,
            uses_left: grant.uses_left,
            revoked_at: grant.revoked_at.map(|at| at.to_string()),
            refusal: refusal.map(|reason| reason.to_string()),
            open_sessions,
        }
    }
}
