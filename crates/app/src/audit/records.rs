//! Reading the audit trail.

use transom_model::access_key::Role;
use transom_model::audit::AuditRecord;
use transom_store::AuditQuery;

use crate::Call;
use crate::audit::Audit;
use crate::error::Result;

impl Audit {
    /// Returns audit records, the oldest first. A project's administrator sees only its own
    /// project's.
    pub async fn audit(&self, call: &Call, mut query: AuditQuery, limit: u32) -> Result<Vec<AuditRecord>> {
        call.caller.need(Role::Admin)?;
        if let Some(own) = call.caller.project() {
            query.project = Some(own);
        }
        Ok(self.core.store.audit_records(&query, limit).await?)
    }
}
