//! `/api/v1/projects/{project}/instances`

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use transom_model::api::{
    EndedBody, ErrorBody, InstanceBody, InstanceChangeBody, InstanceTestBody, List, NewInstanceBody,
    ScreenBody, TestResult, TestStepBody,
};
use transom_model::end_reason::End;
use transom_model::id::{InstanceId, RequestId};
use transom_model::instance::Instance;
use transom_model::metadata::Metadata;
use transom_model::schema;

use super::access::{Caller, id};
use super::input::{Body, Path, Query};
use super::paging::Paging;
use super::tally::ended;
use crate::endpoint_tests::EndpointTests;
use transom_app::consoles::endpoint_test::{EndpointTest, TestedStep};
use transom_app::inventory::instances::InstanceInput;
use transom_app::{App, Error};
use transom_http::error::Failure;

/// Lists the instances of a project.
#[utoipa::path(get, operation_id = "list_instances", path = "/api/v1/projects/{project}/instances", tag = "instances",
    params(("project" = schema::ProjectWord, Path), Paging), responses(
    (status = 200, body = List<InstanceBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(project): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<InstanceBody>>, Failure> {
    let listed = async {
        let instances = app.inventory.instances(&caller.0, &project, paging.page()).await?;
        let mut noted = app.inventory.metadata(&instances).await?;
        let bodies = instances.into_iter().map(|instance| {
            let metadata = noted.remove(&instance.uid).unwrap_or_default();
            InstanceBody::new(instance, metadata)
        });
        Ok(bodies.collect::<Vec<_>>())
    };
    let listed = listed.await.map_err(|error: Error| caller.failed(error))?;
    Ok(Json(paging.list(listed, |instance| instance.id.clone())))
}

/// Adds an instance (admin).
#[utoipa::path(post, operation_id = "create_instance", path = "/api/v1/projects/{project}/instances", tag = "instances",
    params(("project" = schema::ProjectWord, Path)), request_body = NewInstanceBody, responses(
    (status = 201, body = InstanceBody), (status = "default", body = ErrorBody)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(project): Path<String>,
    Body(mut body): Body<NewInstanceBody>,
) -> Result<(StatusCode, Json<InstanceBody>), Failure> {
    let id = body.id.take();
    let made = app.inventory.create_instance(&caller.0, &project, id, addition(body)).await;
    // A new instance has no metadata.
    made.map(|instance| (StatusCode::CREATED, Json(InstanceBody::new(instance, Metadata::default()))))
        .map_err(|error| caller.failed(error))
}

/// Shows an instance.
#[utoipa::path(get, operation_id = "show_instance", path = "/api/v1/projects/{project}/instances/{id}", tag = "instances",
    params(("project" = schema::ProjectWord, Path), ("id" = InstanceId, Path)), responses(
    (status = 200, body = InstanceBody), (status = "default", body = ErrorBody)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((project, instance)): Path<(String, String)>,
) -> Result<Json<InstanceBody>, Failure> {
    let found = async {
        let found = app.inventory.instance(&caller.0, &project, &id(&instance, "instance")?).await?;
        with_metadata(&app, found).await
    };
    found.await.map_err(|error| caller.failed(error))
}

/// Changes the given members of an instance (admin; a member may change the status).
///
/// A different endpoint ends the instance's sessions, unless `moved` says that it leads to the same
/// machine.
#[utoipa::path(patch, operation_id = "change_instance", path = "/api/v1/projects/{project}/instances/{id}", tag = "instances",
    params(("project" = schema::ProjectWord, Path), ("id" = InstanceId, Path)),
    request_body = InstanceChangeBody, responses(
    (status = 200, body = InstanceBody), (status = "default", body = ErrorBody)))]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((project, instance)): Path<(String, String)>,
    Body(body): Body<InstanceChangeBody>,
) -> Result<Json<InstanceBody>, Failure> {
    let changed = async {
        let (id, input) = (id(&instance, "instance")?, amendment(body));
        let changed = app.inventory.change_instance(&caller.0, &project, &id, input).await?;
        with_metadata(&app, changed).await
    };
    changed.await.map_err(|error| caller.failed(error))
}

/// Removes an instance and ends its consoles (admin).
#[utoipa::path(delete, operation_id = "remove_instance", path = "/api/v1/projects/{project}/instances/{id}", tag = "instances",
    params(("project" = schema::ProjectWord, Path), ("id" = InstanceId, Path)), responses(
    (status = 200, body = EndedBody), (status = "default", body = ErrorBody)))]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((project, instance)): Path<(String, String)>,
) -> Result<Json<EndedBody>, Failure> {
    let removed =
        async { app.inventory.remove_instance(&caller.0, &project, &id(&instance, "instance")?).await };
    removed.await.map(|tally| ended(&instance, tally)).map_err(|error| caller.failed(error))
}

/// Tests whether an instance's console opens: dials its endpoint as a session does, and hangs up
/// (admin).
///
/// The answer names the step that failed, and the next step for the people who manage the machine.
/// A test logs in once, and takes less than 30 seconds. The VNC server sees a viewer come and go:
/// it may ask a person to accept the viewer, or end after it if it serves one viewer alone.
#[utoipa::path(post, operation_id = "test_instance", path = "/api/v1/projects/{project}/instances/{id}/test", tag = "instances",
    params(("project" = schema::ProjectWord, Path), ("id" = InstanceId, Path)), responses(
    (status = 200, body = InstanceTestBody), (status = "default", body = ErrorBody)))]
pub(super) async fn test(
    State(app): State<Arc<App>>,
    Extension(tests): Extension<EndpointTests>,
    caller: Caller,
    Path((project, instance)): Path<(String, String)>,
) -> Result<Json<InstanceTestBody>, Failure> {
    let instance_id = id(&instance, "instance").map_err(|error| caller.failed(error))?;
    let call = caller.0.clone();
    let EndpointTests { tester, tasks } = tests;
    let tested =
        tasks.spawn(async move { app.consoles.test_endpoint(&call, &project, &instance_id, &*tester).await });
    let tested = tested.await.unwrap_or_else(|failed| Err(Error::internal(failed)));
    tested
        .map(|tested| Json(tested_body(instance, &caller.0.request, tested)))
        .map_err(|error| caller.failed(error))
}

fn tested_body(instance: String, request: &RequestId, tested: EndpointTest) -> InstanceTestBody {
    let EndpointTest { steps, outcome } = tested;
    let end = outcome.as_ref().err();
    InstanceTestBody {
        instance,
        result: if end.is_none() { TestResult::Opens } else { TestResult::Fails },
        reason: end.map(|end| end.reason.code().to_owned()),
        message: end.map(End::manager_sentence),
        next_step: end.map(|end| end.reason.manager_step().to_owned()),
        request_id: request.to_string(),
        steps: steps
            .into_iter()
            .map(|TestedStep { step, took, ok }| TestStepBody { name: step, ms: milliseconds(took), ok })
            .collect(),
        screen: outcome.ok().map(|screen| ScreenBody {
            width: screen.width,
            height: screen.height,
            name: screen.name,
        }),
    }
}

/// Returns a duration in milliseconds, to a tenth.
fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 10_000.0).round() / 10.0
}

async fn with_metadata(app: &App, instance: Instance) -> Result<Json<InstanceBody>, Error> {
    let metadata = app.inventory.metadata_of(&instance).await?;
    Ok(Json(InstanceBody::new(instance, metadata)))
}

fn addition(body: NewInstanceBody) -> InstanceInput {
    let NewInstanceBody {
        id: _,
        name,
        status,
        endpoint,
        username,
        password,
        ca,
        certificate,
        key,
        fingerprint,
        headers,
        for_ticket_holder,
    } = body;
    let endpoint = Some(endpoint);
    InstanceInput {
        name,
        status,
        endpoint,
        username,
        password,
        ca,
        certificate,
        key,
        fingerprint,
        headers,
        moved: false,
        for_ticket_holder,
    }
}

fn amendment(body: InstanceChangeBody) -> InstanceInput {
    let InstanceChangeBody {
        name,
        status,
        endpoint,
        username,
        password,
        ca,
        certificate,
        key,
        fingerprint,
        headers,
        moved,
        for_ticket_holder,
    } = body;
    InstanceInput {
        name,
        status,
        endpoint,
        username,
        password,
        ca,
        certificate,
        key,
        fingerprint,
        headers,
        moved,
        for_ticket_holder,
    }
}
