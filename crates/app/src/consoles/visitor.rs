//! Visitors: the programs that show a token or a ticket.

use std::net::IpAddr;
use transom_model::audit::{Actor, AuditEntry, Origin, UserAgent};
use transom_model::grant::{ConsoleKind, Grant};
use transom_model::id::{RequestId, SessionId};

/// A program that presents a token or a ticket.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Its address.
    pub address: IpAddr,
    /// With which program.
    pub user_agent: Option<UserAgent>,
    /// By which form of a console URL.
    pub kind: ConsoleKind,
    /// By which call.
    pub request: RequestId,
}

impl Visitor {
    /// Returns its entry in audit records.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { source: Some(self.address), user_agent: self.user_agent.clone() }
    }
}

pub(crate) fn session_entry(
    grant: &Grant,
    session: SessionId,
    visitor: &Visitor,
    action: &'static str,
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
