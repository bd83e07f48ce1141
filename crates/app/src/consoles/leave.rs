//! Leaving: a page without a connection ends its session with its resume ticket.

use transom_model::EndReason;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::secret::TokenDigest;
use transom_model::session::SessionState;
use transom_store::Ending;

use crate::consoles::Consoles;
use crate::consoles::visitor::{Visitor, session_entry};
use crate::error::Result;

impl Consoles {
    /// Ends the session of a ticket that may still be exchanged. Gives back a use that was only
    /// reserved.
    pub async fn leave_by_ticket(&self, ticket: &str, visitor: &Visitor) -> Result<()> {
        // The ticket stays valid until the end is written. If that fails, the page asks again with
        // the same ticket.
        let shown = TokenDigest::of(ticket);
        let outcome = self.core.store.judge_ticket(shown, &visitor.request, &visitor.origin()).await?;
        let target = self.ticket_target(outcome, visitor).await?;
        let (hold, reason) = (target.hold, EndReason::ViewerClosed);
        let entry = |action| session_entry(&target.grant, hold.session, visitor, action, reason.code());
        if target.state == SessionState::Reserved {
            self.core.store.give_back(hold, reason, &entry(AuditAction::SessionFail)).await?;
            return Ok(());
        }
        let audit =
            AuditEntry { detail: Some("left while detached".to_owned()), ..entry(AuditAction::SessionEnd) };
        match self.core.store.leave(hold, &audit).await? {
            Ending::Ended(reason) => self.core.metrics.session_ended(reason),
            // A connection still carries the session. The watch must notice the request to end it.
            _ => self.core.signals.ring(),
        }
        Ok(())
    }
}
