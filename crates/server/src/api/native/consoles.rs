//! Consoles, and what becomes of them: `…/instances/{id}/console`, `/api/v1/grants`, `/api/v1/sessions`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use transom_model::api::{
    ConsoleBody, ErrorBody, GrantBody, LinkReportBody, LinkUseBody, List, NewConsoleBody, OriginBody,
    SessionBody,
};
use transom_model::grant::{ConsoleKind, Dialect, Rights};
use transom_model::id::InstanceId;
use transom_model::schema;
use transom_model::secret::TokenDigest;
use utoipa::IntoParams;

use super::access::{Caller, id};
use super::input::{Body, Path, Query};
use super::paging::Paging;
use crate::app::console::ConsoleRequest;
use crate::app::links::{LinkName, LinkReport};
use crate::app::{App, Error, SessionOrigin, console_url};
use crate::http::error::Failure;

/// Makes a console URL (member).
#[utoipa::path(post, operation_id = "open_console", path = "/api/v1/projects/{project}/instances/{id}/console", tag = "consoles",
    params(("project" = schema::ProjectWord, Path), ("id" = InstanceId, Path)),
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
#[utoipa::path(get, operation_id = "list_grants", path = "/api/v1/grants", tag = "consoles", params(Filter, Paging), responses(
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
#[utoipa::path(get, operation_id = "show_grant", path = "/api/v1/grants/{id}", tag = "consoles",
    params(("id" = schema::GrantWord, Path)), responses(
    (status = 200, body = GrantBody), (status = "default", body = ErrorBody)))]
pub(super) async fn grant(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<Json<GrantBody>, Failure> {
    let found = async { app.link(&caller.0, name(&grant)?).await };
    found.await.map(|grant| Json(grant.into())).map_err(|error| caller.failed(error))
}

/// Revokes a grant and ends its sessions (member).
#[utoipa::path(delete, operation_id = "revoke_grant", path = "/api/v1/grants/{id}", tag = "consoles", params(("id" = schema::GrantWord, Path)), responses(
    (status = 204), (status = "default", body = ErrorBody)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<StatusCode, Failure> {
    let revoked = async {
        let link = app.link(&caller.0, name(&grant)?).await?;
        app.revoke_grant(&caller.0, link.id).await
    };
    revoked.await.map(|()| StatusCode::NO_CONTENT).map_err(|error| caller.failed(error))
}

/// Tells who made a grant, and who used it when and from where (member).
#[utoipa::path(get, operation_id = "report_grant", path = "/api/v1/grants/{id}/report", tag = "consoles",
    params(("id" = schema::GrantWord, Path)), responses(
    (status = 200, body = LinkReportBody), (status = "default", body = ErrorBody)))]
pub(super) async fn report(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<Json<LinkReportBody>, Failure> {
    let report = async { app.link_report(&caller.0, name(&grant)?).await };
    report.await.map(|report| Json(body(report))).map_err(|error| caller.failed(error))
}

/// Revokes a grant, ends everything under it, and tells what there was (member).
#[utoipa::path(post, operation_id = "revoke_and_report_grant", path = "/api/v1/grants/{id}/revoke", tag = "consoles",
    params(("id" = schema::GrantWord, Path)), responses(
    (status = 200, body = LinkReportBody), (status = "default", body = ErrorBody)))]
pub(super) async fn revoke_and_report(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<Json<LinkReportBody>, Failure> {
    let revoked = async { app.revoke_link(&caller.0, name(&grant)?).await };
    revoked.await.map(|report| Json(body(report))).map_err(|error| caller.failed(error))
}

/// A grant's id, or `sha256:` and the digest of its token.
fn name(text: &str) -> Result<LinkName, Error> {
    let Some(digest) = text.strip_prefix("sha256:") else { return id(text, "grant").map(LinkName::Id) };
    let digest = hex::decode(digest).ok().and_then(|bytes| bytes.try_into().ok());
    digest.map(|digest| LinkName::Token(TokenDigest(digest))).ok_or(Error::invalid(
        "id",
        "must be a grant's id, or sha256: and the 64 hexadecimal digits of its token's digest",
    ))
}

fn body(report: LinkReport) -> LinkReportBody {
    let uses = report.uses.into_iter().map(|used| LinkUseBody {
        session: used.session.into(),
        duration_seconds: used.duration.as_secs(),
        ended_now: used.ended_now,
        origins: used.origins.map(|origins| origins.into_iter().map(origin).collect()),
    });
    LinkReportBody {
        link: report.grant.into(),
        uses: uses.collect(),
        trail: report.trail.map(|trail| trail.into_iter().map(Into::into).collect()),
    }
}

fn origin(from: SessionOrigin) -> OriginBody {
    OriginBody { source: from.source.to_string(), user_agent: from.user_agent }
}

/// Lists sessions, the newest first.
#[utoipa::path(get, operation_id = "list_sessions", path = "/api/v1/sessions", tag = "consoles", params(Filter, Paging), responses(
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
#[utoipa::path(delete, operation_id = "kill_session", path = "/api/v1/sessions/{id}", tag = "consoles", params(("id" = schema::Id, Path)), responses(
    (status = 204), (status = "default", body = ErrorBody)))]
pub(super) async fn kill(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(session): Path<String>,
) -> Result<StatusCode, Failure> {
    let killed = async { app.kill_session(&caller.0, id(&session, "session")?).await };
    killed.await.map(|()| StatusCode::NO_CONTENT).map_err(|error| caller.failed(error))
}
