//! `POST /console/exchange`: the page presents a token, or a resume ticket that it already has, and
//! gets a ticket for its WebSocket.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use transom_model::EndReason;
use transom_model::console_kind::ConsoleKind;
use transom_model::end_reason::End;
use transom_model::grant::Rights;
use transom_model::secret::Secret;

use super::state::Web;
use transom_app::access::caller::Attempt;
use transom_app::consoles::exchange::Exchanged;
use transom_app::{Error, random};
use transom_gateway::entrance::is_allowed;
use transom_http::Id;
use transom_http::console_paths::SESSION_PATH;
use transom_http::error::Failure;
use transom_http::source::Source;

/// The page's proof: either a token or a ticket.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    token: Option<Secret>,
    ticket: Option<Secret>,
    /// True to end the ticket's session. A page that has a connection says so on its channel
    /// instead.
    #[serde(default)]
    leave: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    session: String,
    ticket: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_expires_at: Option<String>,
    /// Whole seconds until the link ends, if it does. This is not a time of day, because a page's
    /// clock may be wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_in_seconds: Option<u64>,
    websocket: &'static str,
    instance: InstanceName<'a>,
    rights: Rights,
    /// The short form of the request id that the WebSocket will have.
    request: &'a str,
}

#[derive(Serialize)]
struct InstanceName<'a> {
    /// The project's id, because an instance's own id is unique within its project only.
    project: String,
    id: &'a str,
    name: &'a str,
}

pub(super) async fn exchange(
    State(web): State<Web>,
    id: Id,
    source: Source,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match answer(&web, &id, source, &headers, &body).await {
        Ok(Some(exchanged)) => show(&exchanged),
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            let attempt = Attempt { source: source.address, request: &id.0 };
            Failure::new(web.app.access.guarded(attempt, error), &id.0).into_response()
        }
    }
}

async fn answer(
    web: &Web,
    id: &Id,
    source: Source,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Exchanged>, Error> {
    // Browsers send the origin with every POST, so a request without one does not come from a page.
    if let Some(origin) = headers.get(ORIGIN) {
        let origin = origin.to_str().unwrap_or("an unreadable one");
        if !is_allowed(&web.app, origin, headers, source) {
            let attempt = Attempt { source: source.address, request: &id.0 };
            return Err(web.app.access.refuse_origin(attempt, origin));
        }
    }
    let question: Question = serde_json::from_slice(body)
        .map_err(|_| Error::Malformed("the body must be {\"token\": …} or {\"ticket\": …}".to_owned()))?;
    let visitor = source.visitor(headers, ConsoleKind::Page, id.0.clone());
    match (question.token, question.ticket, question.leave) {
        (Some(token), None, false) => {
            web.app.consoles.exchange_token(token.expose(), &visitor).await.map(Some)
        }
        (None, Some(ticket), false) => {
            web.app.consoles.exchange_ticket(ticket.expose(), &visitor).await.map(Some)
        }
        (None, Some(ticket), true) => {
            web.app.consoles.leave_by_ticket(ticket.expose(), &visitor).await?;
            Ok(None)
        }
        _ => Err(End::from(EndReason::TokenMissing).into()),
    }
}

fn show(exchanged: &Exchanged) -> Response {
    let target = &exchanged.target;
    let request = random::request_id_by(exchanged.ticket.expose());
    let answer = Answer {
        session: target.hold.session.to_string(),
        ticket: exchanged.ticket.expose(),
        ticket_expires_at: target.ticket_expires_at.map(|at| at.to_string()),
        ends_in_seconds: target.ends_in.map(|left| left.as_secs()),
        websocket: SESSION_PATH,
        instance: InstanceName {
            project: target.grant.project.to_string(),
            id: target.grant.instance.as_str(),
            name: &exchanged.name,
        },
        rights: target.grant.rights,
        request: request.short(),
    };
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
