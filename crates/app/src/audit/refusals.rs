//! Requests that are refused as bad: why, for those who look for it by the request's id.
//!
//! The log has the reason of each refusal, with a limit per minute for unauthenticated sources. The
//! audit has the refusals of authenticated callers, with a limit per minute for each: a key that
//! changes nothing must not fill the database.

use std::net::IpAddr;

use transom_model::audit::AuditEntry;
use transom_model::grant::Dialect;
use transom_model::id::RequestId;
use transom_model::name::escape_hidden;

use crate::Call;
use crate::audit::Audit;

/// The longest reason. Transom's sentences are shorter, but a member's name from the caller may not
/// be.
const REASON: usize = 400;

/// A request that is refused as bad.
pub struct BadRequest<'a> {
    /// Its id.
    pub request: &'a RequestId,
    /// The source address.
    pub source: IpAddr,
    /// The call, if its sender is authenticated.
    pub call: Option<&'a Call>,
    /// The front door.
    pub dialect: Dialect,
    /// The requested path, without the caller's values in it.
    pub target: String,
    /// The fault, without any value from the request: one may be a secret.
    pub reason: &'a str,
}

impl Audit {
    /// Tells the log and the audit why a request is refused as bad.
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
            ..call.entry("request.refuse", target)
        };
        if let Err(error) = self.core.store.audit_soon(&entry).await {
            tracing::warn!(%request, %error, "a refused request could not be audited");
        }
    }
}

/// A reason as it stands in a line.
fn shortened(reason: &str) -> String {
    let mut shown = escape_hidden(reason).replace(['\n', '\t'], " ");
    if let Some((end, _)) = shown.char_indices().nth(REASON) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}
