//! Reading the audit.

use transom_model::access_key::Role;
use transom_model::audit::AuditRecord;
use transom_store::AuditQuery;

use super::error::Result;
use super::{App, Call};

impl App {
    /// Audit records, the oldest first; a project's own administrator sees its project's.
    pub async fn audit(&self, call: &Call, mut query: AuditQuery, limit: u32) -> Result<Vec<AuditRecord>> {
        call.caller.need(Role::Admin)?;
        if let Some(own) = call.caller.project() {
            query.project = Some(own);
        }
        Ok(self.store.audit_records(&query, limit).await?)
    }
}
