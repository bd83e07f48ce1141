//! Projects.

use transom_model::audit::AuditEntry;
use transom_model::id::ProjectId;
use transom_model::project::{Project, ProjectName};

use crate::audit::write_down;
use crate::database::{Connection, Row, sql};
use crate::{Page, Result, Store, StoreError};

const SELECT: &str = "SELECT id, name, created_at FROM projects";

impl Store {
    /// Creates a project. Returns `Conflict` if its name or id is taken.
    pub async fn create_project(
        &self,
        id: ProjectId,
        name: &ProjectName,
        audit: &AuditEntry,
    ) -> Result<Project> {
        let (name, audit) = (name.clone(), audit.clone());
        self.write(move |db| Box::pin(async move { create(db, id, &name, &audit).await })).await
    }

    /// Lists projects by name.
    pub async fn projects(&self, page: Page) -> Result<Vec<Project>> {
        let projects = sql(SELECT).push_some(" WHERE name > ", page.after);
        let rows = self.all(projects.push_value(" ORDER BY name LIMIT ", page.limit)).await?;
        rows.into_iter().map(read).collect()
    }

    /// Returns the project of this name.
    pub async fn project_named(&self, name: &ProjectName) -> Result<Option<Project>> {
        self.first(sql(SELECT).push_value(" WHERE name = ", name)).await?.map(read).transpose()
    }

    /// Returns the project of this id.
    pub async fn project(&self, id: ProjectId) -> Result<Option<Project>> {
        self.first(sql(SELECT).push_value(" WHERE id = ", id)).await?.map(read).transpose()
    }
}

async fn create(
    db: &mut Connection<'_>,
    id: ProjectId,
    name: &ProjectName,
    audit: &AuditEntry,
) -> Result<Project> {
    const INSERT: &str = "INSERT INTO projects (id, name, created_at) VALUES ($1, $2, (SELECT now FROM clock)) \
        ON CONFLICT DO NOTHING RETURNING id, name, created_at";
    let row = db.first(sql(INSERT).bind(id).bind(name)).await?;
    let project = read(row.ok_or(StoreError::Conflict("a project with this name already exists"))?)?;
    write_down(db, audit).await?;
    Ok(project)
}

fn read(mut row: Row) -> Result<Project> {
    Ok(Project { id: row.parsed()?, name: row.parsed()?, created_at: row.time()? })
}
