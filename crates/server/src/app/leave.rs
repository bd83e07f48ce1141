//! Leaving: a page ends its session by its resume ticket, when it has no connection to say so on.

use transom_model::EndReason;
use transom_model::audit::AuditEntry;
use transom_model::secret::TokenDigest;
use transom_model::session::SessionState;
use transom_store::{Ending, NewTicket};

use super::console::{Visitor, session_entry};
use super::error::Result;
use super::{App, random};

impl App {
    /// Ends the session of a ticket that may still be exchanged. A use that was only reserved is given back.
    pub async fn leave_by_ticket(&self, ticket: &str, visitor: &Visitor) -> Result<()> {
        // The exchange judges the ticket, like any other; nobody ever learns the new one.
        let unknown = NewTicket { digest: random::token().digest(), ttl: self.config.console.resume.0 };
        let shown = TokenDigest::of(ticket);
        let outcome = self.store.rotate_ticket(shown, unknown, &visitor.request, &visitor.origin()).await?;
        let target = self.ticket_target(outcome, visitor).await?;
        let (hold, reason) = (target.hold, EndReason::ViewerClosed);
        let entry = |action| session_entry(&target.grant, hold.session, visitor, action, reason.code());
        if target.state == SessionState::Reserved {
            self.store.give_back(hold, reason, &entry("session.fail")).await?;
            return Ok(());
        }
        let audit = AuditEntry { detail: Some("left while detached".to_owned()), ..entry("session.end") };
        match self.store.leave(hold, &audit).await? {
            Ending::Ended(reason) => self.metrics.session_ended(reason),
            // The node that carries it has to hear of it.
            _ => self.changed.notify_one(),
        }
        Ok(())
    }
}
