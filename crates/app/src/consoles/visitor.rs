//! Visitors: the programs that present a token or a ticket.

use std::net::IpAddr;
use transom_model::audit::{Actor, AuditEntry, Origin, UserAgent};
use transom_model::audit_action::AuditAction;
use transom_model::console_kind::ConsoleKind;
use transom_model::grant::Grant;
use transom_model::id::{RequestId, SessionId};

/// A program that presents a token or a ticket.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Its address.
    pub address: IpAddr,
    /// The program's description of itself.
    pub user_agent: Option<UserAgent>,
    /// The form of console URL that it uses.
    pub kind: ConsoleKind,
    /// The id of its request.
    pub request: RequestId,
}

impl Visitor {
    /// Returns the origin for audit records.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { source: Some(self.address), user_agent: self.user_agent.clone() }
    }
}

pub(crate) fn session_entry(
    grant: &Grant,
    session: SessionId,
    visitor: &Visitor,
    action: AuditAction,
    outcome: &'static str,
) -> AuditEntry {
    AuditEntry {
        request: Some(visitor.request.clone()),
        actor: Actor::Viewer,
        dialect: grant.dialect,
        action,
        target: grant.instance.to_string(),
        outcome,
        project: Some(grant.project),
        grant: Some(grant.id),
        session: Some(session),
        detail: None,
        origin: visitor.origin(),
    }
}
