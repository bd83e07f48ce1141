//! Sessions and grants, as their owners see them.

use transom_model::access_key::Role;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::grant::ShownGrant;
use transom_model::id::{GrantId, SessionId};
use transom_model::session::Session;
use transom_store::Page;

use crate::Call;
use crate::consoles::Consoles;
use crate::error::{Error, Result};
use crate::revocations::held::{Revocation, Revoked};

impl Consoles {
    /// Returns sessions, the newest first. `open` omits ended ones.
    pub async fn sessions(&self, call: &Call, page: Page, open: bool) -> Result<Vec<Session>> {
        let mut sessions = self.core.store.sessions(call.caller.project(), page, open).await?;
        self.count(&mut sessions);
        Ok(sessions)
    }

    /// Adds the bytes of the connections at this node, which the store learns only when they end.
    pub(crate) fn count(&self, sessions: &mut [Session]) {
        for session in sessions {
            if let Some(traffic) = self.live.traffic(session.id) {
                session.bytes_to_viewer += traffic.to_viewer;
                session.bytes_to_instance += traffic.to_instance;
                session.uncounted = false;
            }
        }
    }

    /// Ends a session. Returns its state before the end.
    pub async fn end_session(&self, call: &Call, id: SessionId, reason: Option<String>) -> Result<Session> {
        let within = call.caller.project();
        let mut session = self.core.store.session(within, id).await?.ok_or(Error::NotFound("session"))?;
        call.caller.need(Role::Member)?;
        let audit = AuditEntry {
            project: Some(session.project),
            grant: Some(session.grant),
            session: Some(id),
            detail: reason,
            ..call.entry(AuditAction::SessionKill, &session.instance)
        };
        self.count(std::slice::from_mut(&mut session));
        self.revocations.revoke(Revocation { what: Revoked::Session(id), within, audit }).await?;
        Ok(session)
    }

    /// Lists grants, the newest first. `live` omits revoked ones, and spent or expired ones without
    /// an open session.
    pub async fn grants(&self, call: &Call, page: Page, live: bool) -> Result<Vec<ShownGrant>> {
        Ok(self.core.store.grants(call.caller.project(), page, live).await?)
    }

    /// Returns a grant.
    pub async fn grant(&self, call: &Call, id: GrantId) -> Result<ShownGrant> {
        self.core.store.grant(call.caller.project(), id).await?.ok_or(Error::NotFound("link"))
    }

    /// Revokes a grant and ends its sessions.
    pub async fn revoke_grant(&self, call: &Call, id: GrantId) -> Result<()> {
        let ShownGrant { grant, .. } = self.grant(call, id).await?;
        call.caller.need(Role::Member)?;
        let audit = AuditEntry {
            project: Some(grant.project),
            grant: Some(id),
            ..call.entry(AuditAction::LinkRevoke, &grant.instance)
        };
        let within = call.caller.project();
        self.revocations.revoke(Revocation { what: Revoked::Grant(id), within, audit }).await.map(drop)
    }
}
