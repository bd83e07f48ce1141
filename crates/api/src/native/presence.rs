//! `/api/v1/presence`: the devices that join and leave, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, HeaderMap};
use http::{HeaderName, HeaderValue};
use transom_model::api::{ErrorBody, PresenceBody};

use super::access::{Caller, proof};
use super::filters::{KeyFilter, ProjectFilter};
use super::input::{Number, Query};
use transom_app::devices::{PresenceQuery, PresenceStream, Told};
use transom_app::{App, Error};
use transom_http::error::Failure;

/// The longest silence of the stream. Proxies give up after 60 s of silence, and some after 30.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The time after which a listener reconnects. A node restarts within it.
const RETRY: Duration = Duration::from_secs(2);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The header that stops nginx from buffering the stream before it passes it on.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Follows the presence of devices, as server-sent events that do not end (`text/event-stream`).
///
/// Each `presence` event is a change. A later call that has its `id` in `Last-Event-ID` continues
/// after it. A first call begins with the last change of every address under which a device ever
/// joined. The event `current` marks the end of the changes up to now.
#[utoipa::path(get, operation_id = "follow_presence", path = "/api/v1/presence", tag = "addresses", params(ProjectFilter, KeyFilter,
    ("Last-Event-ID" = Option<i64>, Header, description = "The id of the last event that the caller received.")), responses(
    (status = 200, body = PresenceBody, content_type = "text/event-stream"), (status = "default", body = ErrorBody)))]
pub(super) async fn follow(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(project): Query<ProjectFilter>,
    Query(key): Query<KeyFilter>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let followed = async {
        let project = project.id(&app, &caller).await?;
        let key = key.id()?;
        let after = headers.get(LAST_EVENT_ID).map(event_id).transpose()?;
        app.devices.follow_presence(&caller.0, proof(&headers)?, PresenceQuery { project, key }, after).await
    };
    let followed = followed.await.map_err(|error| caller.failed(error))?;
    let events = stream::unfold(followed, async |mut followed: PresenceStream| {
        let told = followed.next().await?;
        Some((Ok::<_, Infallible>(event(told)), followed))
    });
    let mut answer = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(answer)
}

fn event_id(value: &HeaderValue) -> Result<i64, Error> {
    let number: Option<Number<0, { i64::MAX }>> =
        value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(|Number(id)| id).ok_or_else(|| Error::invalid("Last-Event-ID", "must be the id of an event"))
}

fn event(told: Told) -> Event {
    match told {
        Told::Change(change) => {
            let id = change.seq.to_string();
            // A body of strings can always be written as JSON.
            let data = serde_json::to_string(&PresenceBody::from(change)).unwrap_or_default();
            Event::default().event("presence").id(id).data(data)
        }
        Told::Current(seq) => Event::default().event("current").id(seq.to_string()).retry(RETRY).data("{}"),
    }
}
