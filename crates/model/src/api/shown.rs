//! What answers show of the model's things.

use super::{AuditBody, ErrorDetail, GrantBody, KeyBody, ProjectBody, SessionBody};
use crate::access_key::AccessKey;
use crate::audit::AuditRecord;
use crate::end_reason::{End, Side};
use crate::grant::Grant;
use crate::id::RequestId;
use crate::project::Project;
use crate::session::Session;

impl ErrorDetail {
    /// A failure that is on the list of end reasons, for those who manage the machine: with its whole detail.
    #[must_use]
    pub fn for_manager(end: &End, request: &RequestId) -> Self {
        let sentence = end.reason.sentence();
        Self {
            message: end.detail().map_or(sentence.to_owned(), |detail| format!("{sentence} ({detail})")),
            next_step: Some(end.reason.remedy().unwrap_or(end.reason.next_step()).to_owned()),
            ..Self::of_end(end, request)
        }
    }

    /// A failure that is on the list of end reasons, for everybody.
    #[must_use]
    pub fn of_end(end: &End, request: &RequestId) -> Self {
        let side = match end.reason.side() {
            Side::Viewer => "viewer",
            Side::Instance => "instance",
            Side::Operator => "operator",
            Side::Transom => "transom",
        };
        Self {
            code: end.reason.code().to_owned(),
            message: end.sentence(),
            close_code: Some(end.reason.close_code()),
            side: Some(side.to_owned()),
            next_step: Some(end.reason.next_step().to_owned()),
            instance: end.machine().map(str::to_owned),
            request_id: request.to_string(),
        }
    }

    /// Any other failure.
    #[must_use]
    pub fn plain(code: &str, message: String, request: &RequestId) -> Self {
        Self {
            code: code.to_owned(),
            message,
            close_code: None,
            side: None,
            next_step: None,
            instance: None,
            request_id: request.to_string(),
        }
    }
}

impl From<Project> for ProjectBody {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name.to_string(),
            created_at: project.created_at.to_string(),
        }
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

impl From<Grant> for GrantBody {
    fn from(grant: Grant) -> Self {
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
        }
    }
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            grant: session.grant.to_string(),
            project: session.project.to_string(),
            instance: session.instance.to_string(),
            node: session.node.to_string(),
            state: session.state,
            viewer: session.viewer,
            created_at: session.created_at.to_string(),
            ended_at: session.ended_at.map(|at| at.to_string()),
            end_reason: session.end_reason.map(|reason| reason.to_string()),
            bytes_to_viewer: session.bytes_to_viewer,
            bytes_to_instance: session.bytes_to_instance,
        }
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
            grant: record.grant.map(|id| id.to_string()),
            session: record.session.map(|id| id.to_string()),
            detail: record.detail,
            source: record.source.map(|source| source.to_string()),
            user_agent: record.user_agent,
        }
    }
}
