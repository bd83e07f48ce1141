//! Consoles, and what becomes of them: `…/instances/{id}/console`, `/api/v1/grants`, `/api/v1/sessions`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use transom_model::api::{ConsoleBody, ErrorBody, GrantBody, List, NewConsoleBody, SessionBody};
use transom_model::grant::{ConsoleKind, Dialect, Rights};
use utoipa::IntoParams;

use super::access::{Caller, id};
use super::input::{Body, Query};
use super::paging::Paging;
use crate::app::console::ConsoleRequest;
use crate::app::{App, Error, console_url};
use crate::http::error::Failure;

/// Makes a console URL (member).
#[utoipa::path(post, path = "/api/v1/projects/{project}/instances/{id}/console", tag = "consoles",
    params(("project" = String, Path, description = "Name or id"), ("id" = String, Path)),
    request_body = NewConsoleBody, responses(
    (status = 201, body = ConsoleBody), (status = "default", body = ErrorBody)))]
pub(super) async fn open(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((project, instance)): Path<(String, String)>,
    Body(body): Body<NewConsoleBody>,
) -> Result<(StatusCode, Json<ConsoleBody>), Failure> {
    let opened = async {
        let request = ConsoleRequest {
            dialect: Dialect::Native,
            kind: body.kind.unwrap_or(ConsoleKind::Page),
            rights: Rights { view_only: body.view_only, clipboard: !body.view_only },
            ttl: body.ttl_seconds.map(Duration::from_secs),
            uses: body.uses,
            ends_after: body.ends_after_seconds.map(Duration::from_secs),
        };
        let shape = console_url::Shape::of(request.kind)?;
        let opened = app.open_console(&caller.0, &project, &id(&instance, "instance")?, request).await?;
        Ok::<_, Error>(ConsoleBody {
            url: shape.url(app.public_url(), &opened.token),
            expires_at: opened.grant.expires_at.to_string(),
            ends_at: opened.grant.ends_at.map(|at| at.to_string()),
            grant: opened.grant.id.to_string(),
        })
    };
    opened.await.map(|body| (StatusCode::CREATED, Json(body))).map_err(|error| caller.failed(error))
}

/// Which grants or sessions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Leave out those that are over.
    #[param(required = false)]
    live: bool,
}

/// Lists grants, the newest first.
#[utoipa::path(get, path = "/api/v1/grants", tag = "consoles", params(Filter, Paging), responses(
    (status = 200, body = List<GrantBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn grants(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<GrantBody>>, Failure> {
    let grants = app.grants(&caller.0, paging.page(), filter.live).await;
    let grants = grants.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(grants, |grant| grant.id.to_string())))
}

/// Shows a grant.
#[utoipa::path(get, path = "/api/v1/grants/{id}", tag = "consoles", params(("id" = String, Path)), responses(
    (status = 200, body = GrantBody), (status = "default", body = ErrorBody)))]
pub(super) async fn grant(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<Json<GrantBody>, Failure> {
    let found = async { app.grant(&caller.0, id(&grant, "grant")?).await };
    found.await.map(|grant| Json(grant.into())).map_err(|error| caller.failed(error))
}

/// Revokes a grant and ends its sessions (member).
#[utoipa::path(delete, path = "/api/v1/grants/{id}", tag = "consoles", params(("id" = String, Path)), responses(
    (status = 204), (status = "default", body = ErrorBody)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<StatusCode, Failure> {
    let revoked = async { app.revoke_grant(&caller.0, id(&grant, "grant")?).await };
    revoked.await.map(|()| StatusCode::NO_CONTENT).map_err(|error| caller.failed(error))
}

/// Lists sessions, the newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "consoles", params(Filter, Paging), responses(
    (status = 200, body = List<SessionBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<SessionBody>>, Failure> {
    let sessions = app.sessions(&caller.0, paging.page(), filter.live).await;
    let sessions = sessions.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(sessions, |session| session.id.to_string())))
}

/// Ends a session (member).
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "consoles", params(("id" = String, Path)), responses(
    (status = 204), (status = "default", body = ErrorBody)))]
pub(super) async fn kill(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(session): Path<String>,
) -> Result<StatusCode, Failure> {
    let killed = async { app.kill_session(&caller.0, id(&session, "session")?).await };
    killed.await.map(|()| StatusCode::NO_CONTENT).map_err(|error| caller.failed(error))
}
