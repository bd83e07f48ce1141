//! Imports: many instances of a project in one transaction.

use std::sync::Arc;

use transom_model::EndReason;
use transom_model::audit::AuditEntry;
use transom_model::id::{ImportName, InstanceId, ProjectId};
use transom_model::instance::Instance;

use crate::audit::write_down_all;
use crate::database::{Connection, sql};
use crate::instance::{self, SELECT, apply, insert, keep_from_ticket_holder};
use crate::revision::raise;
use crate::session::{Waiting, end_waiting};
use crate::store::IMPORT_DEADLINE;
use crate::{InstanceChange, NewInstance, Refused, Result, Store, StoreError};

/// The number of instances in one statement. SQLite unites at most 500 rows.
const AT_ONCE: usize = 100;

/// The changes of an import.
#[derive(Debug)]
pub struct Import {
    /// The project of all its instances.
    pub project: ProjectId,
    /// The new instances.
    pub added: Vec<(NewInstance, AuditEntry)>,
    /// The changes of existing instances.
    pub changed: Vec<(InstanceId, InstanceChange, AuditEntry)>,
    /// The instances to remove, and the name of the import that added all of them.
    pub removed: Option<(ImportName, Vec<(InstanceId, AuditEntry)>)>,
    /// True to find the refused rows and change nothing.
    pub is_rehearsal: bool,
}

impl Store {
    /// Makes all changes of an import, or none. Returns the refused rows. If there are any, or if
    /// it is a rehearsal, it changed nothing.
    ///
    /// Returns `Conflict` or `NotFound` if an instance was added or removed since the changes were
    /// determined.
    pub async fn import_instances(&self, import: Import) -> Result<Vec<Refused>> {
        let import = Arc::new(import);
        let written = self
            .write_ending_within(IMPORT_DEADLINE, move |db| Box::pin(async move { write(db, &import).await }))
            .await;
        match written {
            Err(StoreError::Undone(refused)) => Ok(refused),
            written => written.map(|()| Vec::new()),
        }
    }

    /// Returns the project's instances of these ids.
    pub async fn instances_of_ids(&self, project: ProjectId, ids: &[&InstanceId]) -> Result<Vec<Instance>> {
        const IDS: usize = 500;
        let mut instances = Vec::new();
        for some in ids.chunks(IDS) {
            let mut select = sql(SELECT).push_value(" WHERE project_id = ", project).push(" AND id IN (NULL");
            for id in some {
                select = select.push_value(", ", *id);
            }
            for mut row in self.all(select.push(")")).await? {
                instances.push(instance::read(&mut row)?);
            }
        }
        Ok(instances)
    }

    /// Returns the ids of the project's instances that an import of this name added, in order.
    pub async fn instances_of_import(
        &self,
        project: ProjectId,
        name: &ImportName,
    ) -> Result<Vec<InstanceId>> {
        let select = sql("SELECT id FROM instances")
            .push_value(" WHERE project_id = ", project)
            .push_value(" AND import_name = ", name)
            .push(" ORDER BY id");
        self.all(select).await?.into_iter().map(|mut row| row.parsed()).collect()
    }
}

async fn write(db: &mut Connection<'_>, import: &Import) -> Result<((), Vec<EndReason>)> {
    let refused = change(db, import).await?;
    if import.is_rehearsal || !refused.is_empty() {
        return Err(StoreError::Undone(refused));
    }
    let removed = import.removed.iter().flat_map(|(_, removed)| removed);
    let leads_elsewhere = |(_, change, _): &(_, InstanceChange, _)| change.endpoint.is_some();
    let waiting = if import.changed.iter().any(leads_elsewhere) || removed.clone().next().is_some() {
        raise(db).await?;
        end_waiting(db, " AND sessions.project_id = ", import.project).await?
    } else {
        Waiting::default()
    };
    let added = import.added.iter().map(|(_, audit)| audit);
    let changed = import.changed.iter().map(|(_, _, audit)| audit);
    write_down_all(db, added.chain(changed).chain(removed.map(|(_, audit)| audit))).await?;
    Ok(((), waiting.write_down(db).await?))
}

async fn change(db: &mut Connection<'_>, import: &Import) -> Result<Vec<Refused>> {
    let mut refused = Vec::new();
    for some in import.added.chunks(AT_ONCE) {
        let new: Vec<_> = some.iter().map(|(new, _)| new.clone()).collect();
        for made in insert(db, &new).await? {
            let confirmed = new.iter().any(|new| new.uid == made.uid && new.for_ticket_holder);
            if !confirmed {
                note(&mut refused, &made.id, keep_from_ticket_holder(db, &made).await)?;
            }
        }
    }
    for (id, change, _) in &import.changed {
        let applied = apply(db, import.project, id, change.clone()).await;
        if let Some(None) = note(&mut refused, id, applied)? {
            return Err(StoreError::NotFound("instance"));
        }
    }
    if let Some((name, removed)) = &import.removed {
        for some in removed.chunks(AT_ONCE) {
            let mut delete = sql("DELETE FROM instances")
                .push_value(" WHERE project_id = ", import.project)
                .push_value(" AND import_name = ", name)
                .push(" AND id IN (NULL");
            for (id, _) in some {
                delete = delete.push_value(", ", id);
            }
            if db.run(delete.push(")")).await? < some.len() as u64 {
                return Err(StoreError::NotFound("instance"));
            }
        }
    }
    Ok(refused)
}

/// Notes a contradiction with its row, so that the other rows are checked too.
fn note<T>(refused: &mut Vec<Refused>, id: &InstanceId, outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(StoreError::Conflict(why)) => {
            refused.push((id.clone(), why));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
