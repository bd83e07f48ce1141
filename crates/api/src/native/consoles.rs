//! Consoles, their links and their sessions: `…/instances/{id}/console`, `/api/v1/links`,
//! `/api/v1/sessions`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use transom_model::api::{
    ConsoleBody, ErrorBody, LinkBody, LinkReportBody, LinkUseBody, List, NewConsoleBody, OriginBody,
    SessionBody,
};
use transom_model::console_kind::ConsoleKind;
use transom_model::grant::Rights;
use transom_model::id::InstanceId;
use transom_model::name::{END_NOTE, ILLEGIBLE, is_legible};
use transom_model::schema;
use transom_model::secret::TokenDigest;
use utoipa::IntoParams;

use super::access::{Caller, id};
use super::input::{Body, Path, Query};
use super::paging::Paging;
use transom_app::consoles::console_url;
use transom_app::consoles::links::{LinkName, LinkReport};
use transom_app::consoles::open::ConsoleRequest;
use transom_app::{App, Error, SessionOrigin};
use transom_http::error::Failure;

/// Creates a link and returns its console URL (member).
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
            kind: body.kind.unwrap_or(ConsoleKind::Page),
            rights: Rights { view_only: body.view_only, clipboard: !body.view_only },
            ttl: body.ttl_seconds.map(Duration::from_secs),
            uses: body.uses,
            ends_after: body.ends_after_seconds.map(Duration::from_secs),
        };
        let shape = console_url::Shape::of(request.kind);
        let opened =
            app.consoles.open_console(&caller.0, &project, &id(&instance, "instance")?, request).await?;
        Ok::<_, Error>(ConsoleBody {
            url: shape.url(app.public_url(), &opened.token),
            expires_at: opened.grant.expires_at.to_string(),
            ends_at: opened.grant.ends_at.map(|at| at.to_string()),
            link: opened.grant.id.to_string(),
        })
    };
    opened.await.map(|body| (StatusCode::CREATED, Json(body))).map_err(|error| caller.failed(error))
}

/// A query of the list of links or sessions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveFilter {
    /// Leaves out sessions that have ended, and links that open no session and have no open one.
    #[param(required = false)]
    live: bool,
}

/// Lists links, the newest first.
#[utoipa::path(get, operation_id = "list_links", path = "/api/v1/links", tag = "consoles", params(LiveFilter, Paging), responses(
    (status = 200, body = List<LinkBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn grants(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<LiveFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<LinkBody>>, Failure> {
    let grants = app.consoles.grants(&caller.0, paging.page(), filter.live).await;
    let grants = grants.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(grants, |link| link.grant.id.to_string())))
}

/// Shows a link.
#[utoipa::path(get, operation_id = "show_link", path = "/api/v1/links/{id}", tag = "consoles",
    params(("id" = schema::LinkWord, Path)), responses(
    (status = 200, body = LinkBody), (status = "default", body = ErrorBody)))]
pub(super) async fn grant(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<Json<LinkBody>, Failure> {
    let found = async { app.consoles.link(&caller.0, name(&grant)?).await };
    found.await.map(|grant| Json(grant.into())).map_err(|error| caller.failed(error))
}

/// Revokes a link and ends its sessions (member).
#[utoipa::path(delete, operation_id = "revoke_link", path = "/api/v1/links/{id}", tag = "consoles", params(("id" = schema::LinkWord, Path)), responses(
    (status = 204), (status = "default", body = ErrorBody)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<StatusCode, Failure> {
    let revoked = async {
        let link = app.consoles.link(&caller.0, name(&grant)?).await?;
        app.consoles.revoke_grant(&caller.0, link.grant.id).await
    };
    revoked.await.map(|()| StatusCode::NO_CONTENT).map_err(|error| caller.failed(error))
}

/// Reports who created a link, and who used it, when and from where (member).
#[utoipa::path(get, operation_id = "report_link", path = "/api/v1/links/{id}/report", tag = "consoles",
    params(("id" = schema::LinkWord, Path)), responses(
    (status = 200, body = LinkReportBody), (status = "default", body = ErrorBody)))]
pub(super) async fn report(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<Json<LinkReportBody>, Failure> {
    let report = async { app.consoles.link_report(&caller.0, name(&grant)?).await };
    report.await.map(|report| Json(body(report))).map_err(|error| caller.failed(error))
}

/// Revokes a link, ends everything under it, and reports its use (member).
#[utoipa::path(post, operation_id = "revoke_and_report_link", path = "/api/v1/links/{id}/revoke", tag = "consoles",
    params(("id" = schema::LinkWord, Path)), responses(
    (status = 200, body = LinkReportBody), (status = "default", body = ErrorBody)))]
pub(super) async fn revoke_and_report(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(grant): Path<String>,
) -> Result<Json<LinkReportBody>, Failure> {
    let revoked = async { app.consoles.revoke_link(&caller.0, name(&grant)?).await };
    revoked.await.map(|report| Json(body(report))).map_err(|error| caller.failed(error))
}

/// Parses a link's id, or `sha256:` and the digest of its token.
fn name(text: &str) -> Result<LinkName, Error> {
    let Some(digest) = text.strip_prefix("sha256:") else { return id(text, "link").map(LinkName::Id) };
    let digest = hex::decode(digest).ok().and_then(|bytes| bytes.try_into().ok());
    digest.map(|digest| LinkName::Token(TokenDigest(digest))).ok_or_else(|| {
        let problem = "must be a link's id, or sha256: and the 64 hexadecimal digits of its token's digest";
        Error::invalid("id", problem)
    })
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
#[utoipa::path(get, operation_id = "list_sessions", path = "/api/v1/sessions", tag = "consoles", params(LiveFilter, Paging), responses(
    (status = 200, body = List<SessionBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn sessions(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<LiveFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<SessionBody>>, Failure> {
    let sessions = app.consoles.sessions(&caller.0, paging.page(), filter.live).await;
    let sessions = sessions.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(sessions, |session| session.id.to_string())))
}

/// The reason to end a session.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Ending {
    /// The reason for the audit. The viewer does not see it.
    #[param(required = false, value_type = schema::EndNote)]
    reason: Option<String>,
}

impl Ending {
    fn reason(self) -> Result<Option<String>, Error> {
        let Some(reason) = self.reason.filter(|reason| !reason.is_empty()) else { return Ok(None) };
        if reason.chars().count() > END_NOTE {
            return Err(Error::invalid("reason", "must have at most 200 characters"));
        }
        if !is_legible(&reason) {
            return Err(Error::invalid("reason", ILLEGIBLE));
        }
        Ok(Some(reason))
    }
}

/// Ends a session, and returns its last state (member).
#[utoipa::path(delete, operation_id = "end_session", path = "/api/v1/sessions/{id}", tag = "consoles", params(("id" = schema::Id, Path), Ending), responses(
    (status = 200, body = SessionBody), (status = "default", body = ErrorBody)))]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(session): Path<String>,
    Query(ending): Query<Ending>,
) -> Result<Json<SessionBody>, Failure> {
    let ended =
        async { app.consoles.end_session(&caller.0, id(&session, "session")?, ending.reason()?).await };
    ended.await.map(|session| Json(session.into())).map_err(|error| caller.failed(error))
}
