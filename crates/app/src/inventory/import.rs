//! Imports: a list of instances that a project has afterwards, in one call.
//!
//! An import adds and changes all of its instances or none. It changes an instance only where the
//! list differs from it, so an import of an unchanged list writes nothing.

use std::collections::{HashMap, HashSet};

use transom_model::access_key::Role;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::id::{ImportName, InstanceId};
use transom_model::instance::Instance;
use transom_model::project::Project;
use transom_store::{Import, StoreError};

use crate::Call;
use crate::Caller;
use crate::error::{Error, Result, WrongRow};
use crate::inventory::Inventory;
use crate::inventory::comparison::Secrets;
use crate::inventory::instances::{InstanceInput, audit_of};

/// The most instances of one import.
pub const MOST: usize = 10_000;
/// The number of attempts, if others add or remove the same instances meanwhile.
const ATTEMPTS: usize = 3;
/// The number of rows after which the thread serves others.
const BREATH: usize = 256;

/// The instances of an import, and its options.
#[derive(Debug)]
pub struct ImportInput {
    /// The instances. A row that cannot be read is reported together with the other wrong ones.
    pub rows: Vec<Result<ImportRow, WrongRow>>,
    /// The name that marks the instances which the import adds.
    pub name: Option<ImportName>,
    /// True to determine the changes and make none.
    pub dry_run: bool,
    /// True to remove the instances of earlier imports of this name that are not listed.
    pub prune: bool,
}

/// A listed instance. Settings that it does not name stay as they are.
#[derive(Clone, Debug)]
pub struct ImportRow {
    /// Its id.
    pub id: InstanceId,
    /// Its settings.
    pub input: InstanceInput,
}

/// The effect of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// The new instances, in the list's order.
    pub added: Vec<InstanceId>,
    /// The changed instances, in the list's order, and for each what changed.
    pub changed: Vec<(InstanceId, String)>,
    /// The instances that were as the list has them, in its order.
    pub unchanged: Vec<InstanceId>,
    /// The removed instances, by id.
    pub removed: Vec<InstanceId>,
}

/// A project's turn to import. A project has one import at a time at a node.
pub struct ImportTurn<'a> {
    inventory: &'a Inventory,
    project: Project,
}

impl Drop for ImportTurn<'_> {
    fn drop(&mut self) {
        self.inventory.importing.lock().remove(&self.project.id);
    }
}

impl Inventory {
    /// Checks that the caller may import into this project, and reserves the project's turn. The
    /// front door calls this before it reads the list, which may be long.
    pub async fn import_turn(&self, call: &Call, project: &str) -> Result<ImportTurn<'_>> {
        let project = self.access.project_for(call, project, Role::Admin).await?;
        if !self.importing.lock().insert(project.id) {
            return Err(Error::Conflict("another import into this project is running".to_owned()));
        }
        Ok(ImportTurn { inventory: self, project })
    }

    async fn import(&self, call: &Call, project: &Project, input: &ImportInput) -> Result<Imported> {
        if input.rows.len() > MOST {
            return Err(Error::invalid("instances", format!("must be at most {MOST} instances")));
        }
        if input.prune && input.name.is_none() {
            return Err(Error::invalid(
                "prune",
                "requires name, because it removes only what imports of that name added",
            ));
        }
        let mut attempt = 1;
        loop {
            let Plan { import, imported } = self.plan(call, project, input).await?;
            let leads_elsewhere = import.removed.is_some()
                || import.changed.iter().any(|(_, change, _)| change.endpoint.is_some());
            if import.added.is_empty() && import.changed.is_empty() && import.removed.is_none() {
                return Ok(imported);
            }
            match self.core.store.import_instances(import).await {
                Ok(refused) if refused.is_empty() => {
                    if leads_elsewhere && !input.dry_run {
                        self.core.signals.ring();
                    }
                    return Ok(imported);
                }
                Ok(refused) => {
                    let refused: HashMap<_, _> = refused.into_iter().collect();
                    let wrong = listed(input).filter_map(|(row, listed)| {
                        let problem = (*refused.get(&listed.id)?).to_owned();
                        Some(WrongRow { row, member: None, problem })
                    });
                    return Err(Error::Rows { wrong: wrong.collect(), of: input.rows.len() });
                }
                // Another call added or removed one of them after the plan was made.
                Err(StoreError::Conflict(_) | StoreError::NotFound("instance")) if attempt < ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Compares the list with the project's instances.
    async fn plan(&self, call: &Call, project: &Project, input: &ImportInput) -> Result<Plan> {
        let ids: Vec<_> = listed(input).map(|(_, row)| &row.id).collect();
        let known = self.core.store.instances_of_ids(project.id, &ids).await?;
        let known: HashMap<_, _> = known.iter().map(|instance| (&instance.id, instance)).collect();
        let mut plan = Plan::new(project, input.dry_run);
        let (mut wrong, mut earlier) = (Vec::new(), HashMap::new());
        for (number, row) in input.rows.iter().enumerate() {
            let number = number + 1;
            if number % BREATH == 0 {
                tokio::task::yield_now().await;
            }
            let row = match row {
                Ok(row) => row,
                Err(fault) => {
                    wrong.push(fault.clone());
                    continue;
                }
            };
            let planned = match earlier.insert(&row.id, number) {
                Some(first) => Err(Error::invalid("id", format!("is the id of row {first} too"))),
                None => self.plan_row(call, project, input, row, known.get(&row.id).copied(), &mut plan),
            };
            if let Err(error) = planned {
                wrong.push(WrongRow::new(number, error)?);
            }
        }
        if !wrong.is_empty() {
            return Err(Error::Rows { wrong, of: input.rows.len() });
        }
        if let (true, Some(name)) = (input.prune, &input.name) {
            let ids: HashSet<_> = ids.into_iter().collect();
            let mut removed = self.core.store.instances_of_import(project.id, name).await?;
            removed.retain(|id| !ids.contains(id));
            plan.remove(call, project, name, removed);
        }
        Ok(plan)
    }

    fn plan_row(
        &self,
        call: &Call,
        project: &Project,
        input: &ImportInput,
        row: &ImportRow,
        known: Option<&Instance>,
        plan: &mut Plan,
    ) -> Result<()> {
        let id = &row.id;
        let Some(instance) = known else {
            let mut new = self.addition(call, project, id.clone(), row.input.clone())?;
            new.import_name.clone_from(&input.name);
            plan.import.added.push((new, audit_of(call, project, AuditAction::InstanceCreate, id)));
            plan.imported.added.push(id.clone());
            return Ok(());
        };
        row.input.check()?;
        // A key could otherwise find out the operator's password by guesses that change nothing.
        let guesses = input.dry_run && call.caller != Caller::Operator;
        let secrets = if guesses { Secrets::Conceal } else { Secrets::Compare };
        let Some(differing) = self.difference(call, instance, &row.input, secrets) else {
            plan.imported.unchanged.push(id.clone());
            return Ok(());
        };
        if let Some(endpoint) = &differing.endpoint {
            self.check_endpoint(&call.caller, endpoint)?;
        }
        let (change, detail) = self.amendment(call, instance, differing)?;
        let audit = audit_of(call, project, AuditAction::InstanceChange, id);
        let audit = AuditEntry { detail: Some(detail.clone()), ..audit };
        plan.import.changed.push((id.clone(), change, audit));
        plan.imported.changed.push((id.clone(), detail));
        Ok(())
    }
}

impl ImportTurn<'_> {
    /// Imports the list.
    pub async fn import(self, call: &Call, input: &ImportInput) -> Result<Imported> {
        self.inventory.import(call, &self.project, input).await
    }
}

/// The changes of an import, for the store and for the caller.
struct Plan {
    import: Import,
    imported: Imported,
}

impl Plan {
    fn new(project: &Project, is_rehearsal: bool) -> Self {
        let import = Import {
            project: project.id,
            added: Vec::new(),
            changed: Vec::new(),
            removed: None,
            is_rehearsal,
        };
        Self { import, imported: Imported::default() }
    }

    fn remove(&mut self, call: &Call, project: &Project, name: &ImportName, ids: Vec<InstanceId>) {
        let audit = |id: &InstanceId| (id.clone(), audit_of(call, project, AuditAction::InstanceRemove, id));
        self.import.removed = (!ids.is_empty()).then(|| (name.clone(), ids.iter().map(audit).collect()));
        self.imported.removed = ids;
    }
}

/// Returns the readable rows with their numbers.
fn listed(input: &ImportInput) -> impl Iterator<Item = (usize, &ImportRow)> {
    let rows = input.rows.iter().enumerate();
    rows.filter_map(|(number, row)| row.as_ref().ok().map(|row| (number + 1, row)))
}
