//! Records about devices, for the audit.

use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::CloudAddress;
use transom_model::dialect::Dialect;
use transom_model::id::ProjectId;

/// Returns an audit entry about a device, to be completed by a struct update:
/// `..device_entry(AuditAction::DeviceJoin, …)`.
pub(crate) fn device_entry(
    action: AuditAction,
    device: &CloudAddress,
    project: ProjectId,
    origin: &Origin,
) -> AuditEntry {
    AuditEntry {
        request: None,
        actor: Actor::Viewer,
        dialect: Dialect::VncCloud,
        action,
        target: device.to_string(),
        outcome: "ok",
        project: Some(project),
        grant: None,
        session: None,
        detail: None,
        origin: origin.clone(),
    }
}
