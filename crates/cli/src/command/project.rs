//! `transom project`

use std::collections::HashMap;

use reqwest::Method;
use serde_json::json;
use transom_model::api::ProjectBody;

use crate::args::{Common, Project};
use crate::client::Client;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(common: &Common, command: Project) -> Result<(), Failure> {
    let client = Client::new(common)?;
    match command {
        Project::Add { name } => {
            let project: ProjectBody =
                client.send(Method::POST, "/api/v1/projects", &json!({ "name": name })).await?;
            if common.json { output::json(&project) } else { output::line(project.id) }
        }
        Project::List => {
            let projects: Vec<ProjectBody> = client.list("/api/v1/projects").await?;
            if common.json {
                return output::json(&projects);
            }
            let rows: Vec<_> = projects
                .into_iter()
                .map(|project| vec![project.name, project.id, project.created_at])
                .collect();
            output::table(
                &["NAME", "ID", "CREATED"],
                &rows,
                "There are no projects. To create one: transom project add NAME",
            )
        }
    }
}

/// The names of projects, by their ids.
#[derive(Default)]
pub(super) struct Names(HashMap<String, String>);

/// Gets the names of all projects that the caller may see.
pub(super) async fn names(client: &Client) -> Result<Names, Failure> {
    let projects: Vec<ProjectBody> = client.list("/api/v1/projects").await?;
    Ok(Names(projects.into_iter().map(|project| (project.id, project.name)).collect()))
}

impl Names {
    /// Returns the name of a project, or its id if the name is not known.
    pub(super) fn of(&self, id: &str) -> String {
        self.0.get(id).map_or_else(|| id.to_owned(), Clone::clone)
    }
}
