//! Requests that are refused as bad: why, for those who look for it by the request's id.
//!
//! The log has the reason of each; of somebody who has proved nothing, so many a minute. The audit has it of those who have
//! proved who they are, so many a minute for each: a key that changes nothing must not fill the database.

use std::net::IpAddr;

use transom_model::audit::AuditEntry;
use transom_model::grant::Dialect;
use transom_model::id::RequestId;
use transom_model::name::escape_hidden;

use crate::Call;
use crate::audit::Audit;

/// A sentence is shorter; what somebody wrote for the name of a member may not be.
const REASON: usize = 400;

/// A request that is refused as bad.
pub struct BadRequest<'a> {
    /// Its id.
    pub request: &'a RequestId,
    /// Where it comes from.
    pub source: IpAddr,
    /// Who sent it, where that was proved.
    pub call: Option<&'a Call>,
    /// The front door.
    pub dialect: Dialect,
    /// What was asked for, without what the caller wrote there.
    pub target: String,
    /// What is wrong with it, without any value that it held: one may be a secret.
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
