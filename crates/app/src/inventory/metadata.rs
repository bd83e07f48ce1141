//! Metadata: the keys and values that projects attach to their instances.

use std::collections::HashMap;

use transom_model::access_key::Role;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::id::{InstanceId, InstanceUid};
use transom_model::instance::{Instance, InstanceStatus};
use transom_model::metadata::Metadata;
pub use transom_store::{MetadataChange, Noted};

use crate::Call;
use crate::error::{Error, Result};
use crate::inventory::Inventory;

/// The number of keys that the audit record of a change names. It only counts the rest.
const NAMED: usize = 8;

impl Inventory {
    /// Returns the metadata of these instances, which the caller may see. Omits instances without
    /// metadata.
    pub async fn metadata(&self, instances: &[Instance]) -> Result<HashMap<InstanceUid, Metadata>> {
        let uids: Vec<_> = instances.iter().map(|instance| instance.uid).collect();
        Ok(self.core.store.metadata(&uids).await?)
    }

    /// Returns the metadata of an instance that the caller may see.
    pub async fn metadata_of(&self, instance: &Instance) -> Result<Metadata> {
        let mut noted = self.core.store.metadata(&[instance.uid]).await?;
        Ok(noted.remove(&instance.uid).unwrap_or_default())
    }

    /// Changes an instance's metadata. A member may do this, because metadata contains neither the
    /// endpoint nor credentials.
    pub async fn change_metadata(
        &self,
        call: &Call,
        (project, id): (&str, &InstanceId),
        change: MetadataChange,
    ) -> Result<Noted> {
        let project = self.access.project_for(call, project, Role::Member).await?;
        let instance = self.found_instance(&project, id).await?;
        if !takes_notes(instance.status) {
            return Err(Error::InstanceStatus(instance.status));
        }
        let audit = AuditEntry {
            project: Some(project.id),
            detail: Some(described(&change)),
            ..call.entry(AuditAction::MetadataChange, id)
        };
        match self.core.store.change_metadata(project.id, id, change, &audit).await? {
            Noted::NoInstance => Err(Error::NotFound("instance")),
            noted => Ok(noted),
        }
    }
}

/// Returns whether an instance in this status accepts changes of metadata. As in Nova, it does not
/// before it is built or while it is removed.
fn takes_notes(status: InstanceStatus) -> bool {
    use InstanceStatus::{Building, Failed, Recycled, Releasing};
    !matches!(status, Building | Failed | Recycled | Releasing)
}

/// Describes a change for the audit: the keys, and no value.
fn described(change: &MetadataChange) -> String {
    match change {
        MetadataChange::Merge(notes) => format!("set {}", named(notes)),
        MetadataChange::Replace(notes) => format!("set {}, and no other", named(notes)),
        MetadataChange::Remove(key) => format!("removed {key}"),
    }
}

fn named(notes: &Metadata) -> String {
    let mut named: Vec<String> = notes.keys().take(NAMED).map(str::to_owned).collect();
    match notes.len().saturating_sub(NAMED) {
        0 if named.is_empty() => return "nothing".to_owned(),
        0 => {}
        more => named.push(format!("{more} more")),
    }
    named.join(", ")
}
