//! `/api/v1/projects`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use transom_model::api::{ErrorBody, List, NewProjectBody, ProjectBody};

use super::access::Caller;
use super::input::{Body, Query};
use super::paging::Paging;
use transom_app::App;
use transom_http::error::Failure;

/// Lists projects. A key sees only its own.
#[utoipa::path(get, operation_id = "list_projects", path = "/api/v1/projects", tag = "projects", params(Paging), responses(
    (status = 200, body = List<ProjectBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<List<ProjectBody>>, Failure> {
    let projects =
        app.access.projects(&caller.0, paging.page()).await.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(projects, |project| project.name.to_string())))
}

/// Creates a project (operator).
#[utoipa::path(post, operation_id = "create_project", path = "/api/v1/projects", tag = "projects", request_body = NewProjectBody, responses(
    (status = 201, body = ProjectBody), (status = "default", body = ErrorBody)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(body): Body<NewProjectBody>,
) -> Result<(StatusCode, Json<ProjectBody>), Failure> {
    let made = app.access.create_project(&caller.0, &body.name).await;
    let project = made.map_err(|error| caller.failed(error))?;
    Ok((StatusCode::CREATED, Json(project.into())))
}
