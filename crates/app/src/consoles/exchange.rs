//! The exchange: a page presents a token or a ticket, and gets a fresh ticket for its session.

use crate::consoles::Consoles;
use crate::consoles::open::opens;
use crate::consoles::visitor::{Visitor, session_entry};
use crate::error::Result;
use crate::random;
use transom_model::EndReason;
use transom_model::audit::{Actor, AuditEntry};
use transom_model::audit_action::AuditAction;
use transom_model::dialect::Dialect;
use transom_model::end_reason::End;
use transom_model::grant::Grant;
use transom_model::id::SessionId;
use transom_model::secret::{Secret, TokenDigest};
use transom_sources::openstack::Located;
use transom_store::{
    ConsoleTarget, NewResumeTicket, NewSession, Node, Reservation, ResumeTicketOutcome, TokenStanding,
};

/// The result of an exchange. The page presents the ticket next.
#[derive(Debug)]
pub struct Exchanged {
    /// The grant and the session.
    pub target: ConsoleTarget,
    /// The machine's name, for display.
    pub name: String,
    /// The secret for the WebSocket, or for the next exchange.
    pub ticket: Secret,
}

impl Consoles {
    /// Exchanges a console URL's token for a ticket and reserves one use.
    pub async fn exchange_token(&self, token: &str, visitor: &Visitor) -> Result<Exchanged> {
        let shown = TokenDigest::of(token);
        // A link with a limited number of uses needs no other limit.
        if !self.core.log_budget.has_ticket(shown)
            && let TokenStanding::Stands(found) = self.core.store.token_standing(shown).await?
            && found.grant.uses.is_none()
        {
            return Err(End::from(EndReason::TooManySessions).into());
        }
        let ticket = random::token();
        let new = NewResumeTicket { digest: ticket.digest(), ttl: self.core.config.console.resume.0 };
        let (target, _) = self.reserve(token, self.core.node()?, visitor, Some(new)).await?;
        if target.grant.uses.is_none() {
            self.core.log_budget.gave_ticket(shown);
        }
        Ok(exchanged(target, ticket))
    }

    /// Exchanges a ticket for a fresh one when the page returns to its session.
    pub async fn exchange_ticket(&self, ticket: &str, visitor: &Visitor) -> Result<Exchanged> {
        let shown = TokenDigest::of(ticket);
        // Each exchange is a write. A ticket that cannot be exchanged does not count: an old copy
        // must not lock the page out.
        if let Some(session) = self.core.store.exchangeable(shown).await?
            && !self.core.log_budget.has_exchange(session)
        {
            return Err(
                End::new(EndReason::RateLimited, "this session's ticket is exchanged too often").into()
            );
        }
        let fresh = random::token();
        let new = NewResumeTicket { digest: fresh.digest(), ttl: self.core.config.console.resume.0 };
        let outcome = self.core.store.rotate_ticket(shown, new, &visitor.request, &visitor.origin()).await?;
        let target = self.ticket_target(outcome, visitor).await?;
        if let Some(reason) = self.revocations.held.against(&target) {
            return Err(End::from(reason).into());
        }
        Ok(exchanged(target, fresh))
    }

    pub(crate) async fn reserve(
        &self,
        token: &str,
        node: Node,
        visitor: &Visitor,
        ticket: Option<NewResumeTicket>,
    ) -> Result<(ConsoleTarget, Option<Located>)> {
        let session = SessionId(random::ordered_uuid());
        let viewer = visitor.address.to_string();
        let most = self.core.config.limits.sessions_per_link;
        let new = NewSession { id: session, node, viewer, most };
        let mut reservation = self.core.store.reserve(TokenDigest::of(token), new.clone(), ticket).await?;
        let mut located = None;
        if let Reservation::Refused { reason: EndReason::TokenUnknown, .. } = reservation
            && let Some((digest, place)) = self.existing_cloud.adopt(token, visitor).await?
        {
            reservation = self.core.store.reserve(digest, new, ticket).await?;
            located = Some(place);
        }
        let target = match reservation {
            Reservation::Reserved(target) => *target,
            Reservation::Refused { reason, grant } => {
                self.refused(reason, grant.as_deref(), visitor).await;
                return Err(End::from(reason).into());
            }
        };
        if let Some(reason) = self.revocations.held.against(&target) {
            let audit =
                session_entry(&target.grant, session, visitor, AuditAction::SessionFail, reason.code());
            self.core.store.give_back(target.hold, reason, &audit).await?;
            return Err(End::from(reason).into());
        }
        // A console of an existing cloud has no instance here: that cloud issues URLs only for
        // running machines.
        let status = target.instance.as_ref().map(|instance| instance.status);
        if let Some(status) = status.filter(|status| !opens(target.grant.dialect, *status)) {
            let reason = EndReason::InstanceNotRunning;
            let audit =
                session_entry(&target.grant, session, visitor, AuditAction::SessionFail, reason.code());
            self.core.store.give_back(target.hold, reason, &audit).await?;
            let name = target.instance.as_ref().map(|instance| instance.name.clone());
            let end = End::for_viewers(reason, format!("it is {status}"));
            return Err(end.of_machine(name.unwrap_or_default()).into());
        }
        Ok((target, located))
    }

    /// Audits a refused use of a known grant, once a minute. An unknown token has no audit trail.
    async fn refused(&self, reason: EndReason, grant: Option<&Grant>, visitor: &Visitor) {
        let Some(grant) = grant else {
            self.core.metrics.grant(Dialect::Api, reason.code());
            return;
        };
        self.core.metrics.grant(grant.dialect, reason.code());
        if !self.core.log_budget.is_news(grant.id, reason) {
            return;
        }
        let entry = AuditEntry {
            request: Some(visitor.request.clone()),
            actor: Actor::Viewer,
            dialect: grant.dialect,
            action: AuditAction::LinkUse,
            target: grant.instance.to_string(),
            outcome: reason.code(),
            project: Some(grant.project),
            grant: Some(grant.id),
            session: None,
            detail: None,
            origin: visitor.origin(),
        };
        if let Err(error) = self.core.store.audit(&entry).await {
            tracing::error!(%error, link = %grant.id, "a refused use could not be written to the audit");
        }
    }

    pub(crate) async fn ticket_target(
        &self,
        outcome: ResumeTicketOutcome,
        visitor: &Visitor,
    ) -> Result<ConsoleTarget> {
        let reason = match outcome {
            ResumeTicketOutcome::Accepted(target) => return Ok(*target),
            ResumeTicketOutcome::Invalid | ResumeTicketOutcome::Expired => EndReason::TicketInvalid,
            ResumeTicketOutcome::Ended(reason) => reason,
            ResumeTicketOutcome::Replayed { session, grant, .. } => {
                let request = &visitor.request;
                tracing::warn!(%request, %session, %grant, "a resume ticket was used twice; its session was ended");
                self.core.signals.ring();
                EndReason::TicketReplayed
            }
            ResumeTicketOutcome::Old { session, grant } => {
                self.refused_old_ticket(session, &grant, visitor).await;
                EndReason::TicketInvalid
            }
        };
        Err(End::from(reason).into())
    }

    /// Audits the use of an old ticket whose session waits for its page. The ticket is refused and
    /// changes nothing.
    async fn refused_old_ticket(&self, session: SessionId, grant: &Grant, visitor: &Visitor) {
        if !self.core.log_budget.is_news_of_old_ticket(session) {
            return;
        }
        let request = &visitor.request;
        tracing::warn!(%request, %session, link = %grant.id, "an old resume ticket was used; its session still waits for its page");
        let by = (request.clone(), visitor.origin());
        let entry = ResumeTicketOutcome::replay_entry(grant, session, by, EndReason::TicketInvalid);
        if let Err(error) = self.core.store.audit(&entry).await {
            tracing::error!(%error, %session, "the use of an old resume ticket could not be written to the audit");
        }
    }
}

fn exchanged(target: ConsoleTarget, ticket: Secret) -> Exchanged {
    let name = target.instance.as_ref().map(|instance| instance.name.clone());
    Exchanged { name: name.unwrap_or_else(|| target.grant.instance.to_string()), target, ticket }
}
