//! Bad requests: records why each was refused, so the reason can be found by the request id.
//!
//! The log has the reason of each refusal, with a limit per minute for unauthenticated sources. The
//! audit has the refusals of authenticated callers, with a limit per minute for each: a key that
//! changes nothing must not fill the database.

use std::net::IpAddr;

use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::dialect::Dialect;
use transom_model::id::RequestId;
use transom_model::name::escape_hidden;

use crate::Call;
use crate::audit::Audit;

/// The longest reason. Transom's sentences are shorter, but a member's name from the caller may not
/// be.
const REASON: usize = 400;

/// A request that is refused as bad.
pub struct BadRequest<'a> {
    /// The request id.
    pub request: &'a RequestId,
    /// The source address.
    pub source: IpAddr,
    /// The call, if its sender is authenticated.
    pub call: Option<&'a Call>,
    /// The front door.
    pub dialect: Dialect,
    /// The requested path, without the caller's values in it.
    pub target: String,
    /// The reason, without any value from the request, since a value may be a secret.
    pub reason: &'a str,
}

impl Audit {
    /// Records in the log and in the audit why a bad request is refused.
    pub async fn note_bad_request(&self, bad: BadRequest<'_>) {
        let BadRequest { request, source, call, dialect, target, reason } = bad;
        let reason = shortened(reason);
        match call {
            None if !self.access.is_news_of(source) => {}
            _ => {
                let key = call.and_then(|call| call.caller.key()).map(tracing::field::display);
                tracing::info!(%request, key, %source, %dialect, target, error = reason, "a request was refused");
            }
        }
        let Some(call) = call else { return };
        if !self.core.log_budget.is_news_by(&call.caller.actor()) {
            return;
        }
        let entry = AuditEntry {
            dialect,
            outcome: "invalid",
            detail: Some(reason),
            ..call.entry(AuditAction::RequestRefuse, target)
        };
        if let Err(error) = self.core.store.audit_soon(&entry).await {
            tracing::warn!(%request, %error, "a refused request could not be audited");
        }
    }
}

/// Returns the reason as a single line of limited length.
fn shortened(reason: &str) -> String {
    let mut shown = escape_hidden(reason).replace(['\n', '\t'], " ");
    if let Some((end, _)) = shown.char_indices().nth(REASON) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}
