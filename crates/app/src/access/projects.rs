//! Projects: creation, listing, and the look-up of the project that a call names.

use transom_model::access_key::Role;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::id::ProjectId;
use transom_model::project::{Project, ProjectName};
use transom_store::Page;

use crate::Call;
use crate::access::Access;
use crate::error::{Error, Result, legible};
use crate::random;

impl Access {
    /// Creates a project.
    pub async fn create_project(&self, call: &Call, name: &ProjectName) -> Result<Project> {
        call.caller.need_operator()?;
        // Checked only here and not when a name is read: an older database may hold a name that
        // fails.
        legible(name.as_str())?;
        let id = ProjectId(random::ordered_uuid());
        let audit = AuditEntry { project: Some(id), ..call.entry(AuditAction::ProjectCreate, name) };
        Ok(self.core.store.create_project(id, name, &audit).await?)
    }

    /// The projects that the caller sees.
    pub async fn projects(&self, call: &Call, page: Page) -> Result<Vec<Project>> {
        match call.caller.project() {
            None => Ok(self.core.store.projects(page).await?),
            Some(own) => Ok(self.core.store.project(own).await?.into_iter().collect()),
        }
    }

    /// Returns a project by its name or id. A project that the caller does not see is not found, so
    /// the answer does not reveal that it exists.
    pub async fn project(&self, call: &Call, name_or_id: &str) -> Result<Project> {
        let by_id = match name_or_id.parse() {
            Ok(id) => self.core.store.project(id).await?,
            Err(_) => None,
        };
        let found = match (by_id, name_or_id.parse::<ProjectName>()) {
            (Some(project), _) => Some(project),
            (None, Ok(name)) => self.core.store.project_named(&name).await?,
            (None, Err(_)) => None,
        };
        let visible = |project: &Project| call.caller.project().is_none_or(|own| own == project.id);
        found.filter(visible).ok_or(Error::NotFound("project"))
    }

    /// Returns a project like [`Self::project`], but fails unless the caller has at least this
    /// role.
    pub(crate) async fn project_for(&self, call: &Call, name_or_id: &str, needed: Role) -> Result<Project> {
        let project = self.project(call, name_or_id).await?;
        call.caller.need(needed)?;
        Ok(project)
    }
}
