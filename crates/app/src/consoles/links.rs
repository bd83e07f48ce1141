//! Links: look-up by id or token digest, revocation, and reports.

use std::time::Duration;

use tokio::time::{Instant, interval};
use transom_model::access_key::Role;
use transom_model::audit::AuditRecord;
use transom_model::grant::ShownGrant;
use transom_model::id::GrantId;
use transom_model::secret::TokenDigest;
use transom_model::session::Session;
use transom_model::{EndReason, Timestamp};
use transom_store::{AuditQuery, Page, SessionOrigin};

use crate::Call;
use crate::consoles::Consoles;
use crate::error::{Error, Result};

/// The longest wait of a report. Every node ends revoked sessions within a second; after this time
/// the report lists the sessions that are still open.
const REVOCATION: Duration = Duration::from_secs(3);
/// The interval at which a revocation checks the store for open sessions.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A reference to a link.
#[derive(Clone, Copy, Debug)]
pub enum LinkName {
    /// The link's public id.
    Id(GrantId),
    /// The SHA-256 of the link's token, so the token itself need not be sent.
    Token(TokenDigest),
}

/// A report on a link.
#[derive(Debug)]
pub struct LinkReport {
    /// The link.
    pub grant: ShownGrant,
    /// Its sessions, the newest first, at most one page. Sessions that are open or ended now come
    /// before all others.
    pub uses: Vec<LinkUse>,
    /// Its audit records, the oldest first, at most one page of the newest. Only for callers that
    /// may read the audit.
    pub trail: Option<Vec<AuditRecord>>,
}

/// A session under a link.
#[derive(Debug)]
pub struct LinkUse {
    /// The session.
    pub session: Session,
    /// The time from its beginning to its end, or until now if it is open.
    pub duration: Duration,
    /// True if this call revoked the link and thereby ended the session.
    pub ended_now: bool,
    /// The origins of attempts to open it, the newest last. `None` unless the caller may read the
    /// audit.
    pub origins: Option<Vec<SessionOrigin>>,
}

impl Consoles {
    /// Returns a link by its id or its token's digest.
    pub async fn link(&self, call: &Call, name: LinkName) -> Result<ShownGrant> {
        match name {
            LinkName::Id(id) => self.grant(call, id).await,
            LinkName::Token(token) => {
                let found = self.core.store.grant_of_token(call.caller.project(), token).await?;
                found.ok_or(Error::NotFound("link of this token"))
            }
        }
    }

    /// Reports a link's creator, and its uses with time and source. Requires the role member.
    pub async fn link_report(&self, call: &Call, name: LinkName) -> Result<LinkReport> {
        let grant = self.link(call, name).await?;
        call.caller.need(Role::Member)?;
        self.report(call, grant, None).await
    }

    /// Revokes a link, waits for its sessions to end, and reports on it. Requires the role member.
    pub async fn revoke_link(&self, call: &Call, name: LinkName) -> Result<LinkReport> {
        let id = self.link(call, name).await?.grant.id;
        let since = self.core.store.now().await?;
        self.revoke_grant(call, id).await?;
        let deadline = Instant::now() + REVOCATION;
        let mut look = interval(LOOK_EVERY);
        loop {
            look.tick().await;
            if !self.core.store.has_open_session(id).await? || Instant::now() >= deadline {
                break;
            }
        }
        let grant = self.grant(call, id).await?;
        self.report(call, grant, Some(since)).await
    }

    /// Builds the report. `revoked` is the time before this call's revocation: sessions that the
    /// revocation ended since then are marked. Audit records and viewers' addresses follow the
    /// audit's access rule.
    async fn report(&self, call: &Call, grant: ShownGrant, revoked: Option<Timestamp>) -> Result<LinkReport> {
        let now = self.core.store.now().await?;
        let id = grant.grant.id;
        let mut sessions = self.core.store.sessions_of_grant(id, revoked.unwrap_or(now), Page::MAX).await?;
        self.count(&mut sessions);
        let query = AuditQuery { grant: Some(id), ..AuditQuery::default() };
        let (trail, origins) = match self.audit.audit(call, query, Page::MAX).await {
            Ok(trail) => (Some(trail), Some(self.core.store.session_origins(id, Page::MAX).await?)),
            Err(Error::Forbidden { .. }) => (None, None),
            Err(error) => return Err(error),
        };
        let uses = sessions.into_iter().map(|session| {
            let end = session.ended_at.unwrap_or(now);
            let lasted = u64::try_from(end.0 - session.created_at.0).unwrap_or(0);
            let revoked_now = session.ended_at.zip(revoked).is_some_and(|(end, since)| end >= since);
            let ended_now = revoked_now && session.end_reason == Some(EndReason::LinkRevoked);
            let own = |origin: &&SessionOrigin| origin.session == session.id;
            let origins = origins.as_ref().map(|all| all.iter().filter(own).cloned().collect());
            LinkUse { duration: Duration::from_micros(lasted), ended_now, origins, session }
        });
        Ok(LinkReport { uses: uses.collect(), trail, grant })
    }
}
