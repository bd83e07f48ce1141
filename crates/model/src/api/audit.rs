//! The native API's body for audit records.

use serde::{Deserialize, Serialize};

use crate::audit::AuditRecord;

bodies! {
    /// An audit record.
    answer AuditBody {
        /// The sequence number, which increases with every record.
        seq: i64,
        /// The time of the event.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        at: String,
        /// The id of the call that caused it.
        #[cfg_attr(feature = "openapi", schema(required))]
        request_id: Option<String>,
        /// The actor: `operator`, an access key's id, `viewer` or `transom`.
        actor: String,
        /// The front door through which the call came.
        dialect: String,
        /// The action as `noun.verb`.
        action: String,
        /// The object of the action.
        target: String,
        /// `ok`, or the code of the failure.
        outcome: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid", required))]
        project: Option<String>,
        /// The link's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid", required))]
        link: Option<String>,
        /// The session's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid", required))]
        session: Option<String>,
        /// Further details for people.
        #[cfg_attr(feature = "openapi", schema(required))]
        detail: Option<String>,
        /// The address of the caller, the viewer or the device. Behind a trusted proxy, the address
        /// that the proxy names. Null for an action of the server.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required))]
        source: Option<String>,
        /// The calling program's own description of itself, at most 256 characters.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required))]
        user_agent: Option<String>,
    }
}

impl From<AuditRecord> for AuditBody {
    fn from(record: AuditRecord) -> Self {
        Self {
            seq: record.seq,
            at: record.at.to_string(),
            request_id: record.request,
            actor: record.actor,
            dialect: record.dialect,
            action: record.action,
            target: record.target,
            outcome: record.outcome,
            project: record.project.map(|id| id.to_string()),
            link: record.grant.map(|id| id.to_string()),
            session: record.session.map(|id| id.to_string()),
            detail: record.detail,
            source: record.source.map(|source| source.to_string()),
            user_agent: record.user_agent,
        }
    }
}
