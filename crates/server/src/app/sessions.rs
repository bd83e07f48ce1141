//! Sessions and grants, as their owners see them.

use transom_model::access_key::Role;
use transom_model::audit::AuditEntry;
use transom_model::grant::Grant;
use transom_model::id::{GrantId, SessionId};
use transom_model::session::Session;
use transom_store::Page;

use super::error::{Error, Result};
use super::revocations::{Revocation, Revoked};
use super::{App, Call};

impl App {
    /// Sessions, the newest first; `open` leaves ended ones out.
    pub async fn sessions(&self, call: &Call, page: Page, open: bool) -> Result<Vec<Session>> {
        let mut sessions = self.store.sessions(call.caller.project(), page, open).await?;
        // The store learns the counts when a session ends; until then this node knows better.
        for session in &mut sessions {
            if let Some(traffic) = self.live.traffic(session.id) {
                session.bytes_to_viewer += traffic.to_viewer;
                session.bytes_to_instance += traffic.to_instance;
            }
        }
        Ok(sessions)
    }

    /// Ends a session.
    pub async fn kill_session(&self, call: &Call, id: SessionId) -> Result<()> {
        let within = call.caller.project();
        let session = self.store.session(within, id).await?.ok_or(Error::NotFound("session"))?;
        call.caller.need(Role::Member)?;
        let audit = AuditEntry {
            project: Some(session.project),
            grant: Some(session.grant),
            session: Some(id),
            ..call.entry("session.kill", &session.instance)
        };
        self.revoke(Revocation { what: Revoked::Session(id), within, audit }).await.map(drop)
    }

    /// Grants, the newest first; `live` leaves spent, expired and revoked ones out.
    pub async fn grants(&self, call: &Call, page: Page, live: bool) -> Result<Vec<Grant>> {
        Ok(self.store.grants(call.caller.project(), page, live).await?)
    }

    /// One grant.
    pub async fn grant(&self, call: &Call, id: GrantId) -> Result<Grant> {
        self.store.grant(call.caller.project(), id).await?.ok_or(Error::NotFound("grant"))
    }

    /// Makes a grant worth nothing and ends its sessions.
    pub async fn revoke_grant(&self, call: &Call, id: GrantId) -> Result<()> {
        let grant = self.grant(call, id).await?;
        call.caller.need(Role::Member)?;
        let audit = AuditEntry {
            project: Some(grant.project),
            grant: Some(id),
            ..call.entry("grant.revoke", &grant.instance)
        };
        let within = call.caller.project();
        self.revoke(Revocation { what: Revoked::Grant(id), within, audit }).await.map(drop)
    }
}
