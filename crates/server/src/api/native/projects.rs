//! `/api/v1/projects`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use transom_model::api::{ErrorBody, List, NewProjectBody, ProjectBody};
use transom_model::project::ProjectName;

use super::access::Caller;
use super::input::{Body, Query};
use super::paging::Paging;
use crate::app::{App, Error};
use crate::http::error::Failure;

/// Lists projects; a key sees its own.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", params(Paging), responses(
    (status = 200, body = List<ProjectBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<List<ProjectBody>>, Failure> {
    let projects = app.projects(&caller.0, paging.page()).await.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(projects, |project| project.name.to_string())))
}

/// Makes a project (operator).
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", request_body = NewProjectBody, responses(
    (status = 201, body = ProjectBody), (status = "default", body = ErrorBody)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(body): Body<NewProjectBody>,
) -> Result<(StatusCode, Json<ProjectBody>), Failure> {
    let made = async {
        let name: ProjectName = body.name.parse().map_err(|error| Error::invalid("name", error))?;
        app.create_project(&caller.0, &name).await
    };
    let project = made.await.map_err(|error| caller.failed(error))?;
    Ok((StatusCode::CREATED, Json(project.into())))
}
