//! Claims: a session from the moment at which the gateway may dial until its end.

use crate::consoles::Consoles;
use crate::consoles::debts::{How, Settlement};
use crate::consoles::live::{LiveSession, Of};
use crate::consoles::visitor::{Visitor, session_entry};
use crate::error::{Error, Result};
use tokio::time::Instant;
use transom_model::EndReason;
use transom_model::audit::{Actor, AuditEntry};
use transom_model::audit_action::AuditAction;
use transom_model::end_reason::{End, Side};
use transom_model::instance::Instance;
use transom_model::secret::TokenDigest;
use transom_model::session::SessionState;
use transom_sources::openstack::Located;
use transom_store::{Commit, ConsoleTarget, Node};

/// A session's destination.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The instance. For an existing cloud's console, it has the values that the cloud returned.
    pub instance: Instance,
    /// The path for a `CONNECT` at the endpoint, before RFB.
    pub access_path: Option<String>,
}

/// A session that may be opened now. The gateway dials the instance and then commits.
pub struct Claim {
    /// The grant and the session.
    pub target: ConsoleTarget,
    /// Its destination.
    pub destination: Destination,
    /// The session's place in this node's table.
    pub live: LiveSession,
    /// The visitor that claimed it.
    pub visitor: Visitor,
    /// True if the viewer can return with a ticket.
    pub resumable: bool,
    /// The moment of the claim. The target's times count from here.
    pub at: Instant,
}

impl Claim {
    fn entry(&self, action: AuditAction, outcome: &'static str) -> AuditEntry {
        session_entry(&self.target.grant, self.target.hold.session, &self.visitor, action, outcome)
    }
}

impl Consoles {
    /// Claims a session by a console URL's token, without a page in between.
    pub async fn claim_by_token(&self, token: &str, visitor: Visitor) -> Result<Claim> {
        let node = self.core.node()?;
        let (target, located) = self.reserve(token, node, &visitor, None).await?;
        self.claim((target, node), located, visitor, false).await
    }

    /// Claims a session by its ticket.
    pub async fn claim_by_ticket(&self, ticket: &str, visitor: Visitor) -> Result<Claim> {
        let shown = TokenDigest::of(ticket);
        let node = self.core.node()?;
        let (viewer, origin) = (visitor.address.to_string(), visitor.origin());
        let outcome = self.core.store.present_ticket(shown, node, &viewer, &visitor.request, &origin).await?;
        let target = self.ticket_target(outcome, &visitor).await?;
        self.claim((target, node), None, visitor, true).await
    }

    /// Spends the use and makes the session live, after the instance showed its screen. Fails if
    /// something was revoked meanwhile.
    pub async fn commit(&self, claim: &Claim) -> Result<()> {
        let again = if claim.target.state == SessionState::Reserved { "" } else { ", again" };
        let detail = Some(format!("viewer {}{again}", claim.visitor.address));
        let audit = AuditEntry { detail, ..claim.entry(AuditAction::SessionStart, "ok") };
        // A counted use must be on disk before the screen is shown. Otherwise it could be used
        // twice.
        let committed = if claim.target.grant.uses.is_some() || claim.resumable {
            self.core.store.commit(claim.target.hold, &audit).await?
        } else {
            self.core.store.commit_soon(&claim.target, &audit).await?;
            Commit::Live
        };
        match committed {
            Commit::Live => {
                // A returning page continues a session that was counted before.
                if claim.target.state == SessionState::Reserved {
                    self.core.metrics.sessions_started.inc();
                    self.core.metrics.grant(claim.target.grant.dialect, "opened");
                }
                Ok(())
            }
            Commit::Ended(reason) => Err(End::from(reason).into()),
        }
    }

    /// Gives the use back, because the instance could not be reached. The link can use it again
    /// until it expires.
    pub async fn give_back(&self, claim: &Claim, end: &End) -> Result<()> {
        let audit = AuditEntry {
            detail: end.detail().map(str::to_owned),
            ..claim.entry(AuditAction::SessionFail, end.reason.code())
        };
        self.core.metrics.handshake_failed(end.reason);
        self.core.store.give_back(claim.target.hold, end.reason, &audit).await?;
        Ok(())
    }

    /// Detaches the session from its viewer's connection. The viewer may return with its ticket.
    pub async fn detach(&self, claim: &Claim) -> Result<()> {
        let Claim { target, live, .. } = claim;
        self.settle(Settlement { hold: target.hold, traffic: live.bytes(), how: How::Detached }).await
    }

    /// Ends the session.
    pub async fn end(&self, claim: &Claim, end: &End) -> Result<()> {
        // The viewer is the actor only of ends that it caused.
        let actor = if end.reason.side() == Side::Viewer { Actor::Viewer } else { Actor::Transom };
        let audit = AuditEntry {
            actor,
            detail: end.detail().map(str::to_owned),
            ..claim.entry(AuditAction::SessionEnd, end.reason.code())
        };
        let Claim { target, live, .. } = claim;
        let how = How::Ended(end.reason, Box::new(audit));
        self.settle(Settlement { hold: target.hold, traffic: live.bytes(), how }).await
    }

    async fn claim(
        &self,
        (mut target, node): (ConsoleTarget, Node),
        located: Option<Located>,
        visitor: Visitor,
        resumable: bool,
    ) -> Result<Claim> {
        let at = Instant::now();
        let claimed = match self.existing_cloud.place_of(&mut target, located, &visitor.request).await {
            Ok(destination) => {
                let live = self.live.register(target.hold, Of::grant(&target.grant));
                // If the node cut everything meanwhile, this session may not have been in the table
                // yet.
                let live = live.and_then(|live| match self.core.fence.node() == Some(node) {
                    true => Ok(live),
                    false => Err(EndReason::StoreUnavailable),
                });
                // The same is true of a revocation that is not in the store yet.
                let live = live.and_then(|live| match self.revocations.held.against(&target) {
                    None => Ok(live),
                    Some(reason) => Err(reason),
                });
                live.map(|live| (destination, live)).map_err(|reason| Error::End(reason.into()))
            }
            Err(error) => Err(error),
        };
        match claimed {
            Ok((destination, live)) => Ok(Claim { target, destination, live, visitor, resumable, at }),
            Err(error) => {
                let (reason, detail) = match &error {
                    Error::End(end) => (end.reason, end.detail().map(str::to_owned)),
                    _ => (EndReason::InternalError, None),
                };
                let session = target.hold.session;
                let audit =
                    session_entry(&target.grant, session, &visitor, AuditAction::SessionFail, reason.code());
                let audit = AuditEntry { detail, ..audit };
                self.core.store.give_back(target.hold, reason, &audit).await?;
                Err(error)
            }
        }
    }
}
