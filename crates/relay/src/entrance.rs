//! The two ways in, each by an HTTP upgrade on the main port.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use transom_net::Stream;
use transom_net::budget::{Holder, Notice};
use transom_tunnel::ticket::TicketHeader;
use transom_tunnel::{CONTROL_PATH, DATA_PATH, Refusal, TICKET_HEADER, UPGRADE};

use super::Relay;
use super::arrival::Way;
use super::control::{self, Origin};
use transom_http::source::{Connection, Source};
use transom_http::upgrade::Switched;

/// The tunnel's paths.
pub fn router(relay: Relay) -> Router {
    Router::new().route(CONTROL_PATH, get(control)).route(DATA_PATH, get(data)).with_state(relay)
}

async fn control(State(relay): State<Relay>, source: Source, mut request: Request) -> Response {
    if !asks_for_tunnel(request.headers()) {
        return not_an_upgrade();
    }
    let connection = request.extensions().get::<Connection>();
    let exporter = connection.and_then(|connection| connection.exporter);
    if exporter.is_none() && connection.is_some_and(|connection| connection.tls) {
        // Without TLS 1.3 there is no exporter for the proof to bind to. If such connections were
        // accepted, an interceptor would only have to ask for an older version.
        return (StatusCode::FORBIDDEN, "Devices can join only over TLS 1.3.\n").into_response();
    }
    let config = &relay.app.config().http;
    let proxied = connection.is_some_and(|connection| config.trusts(connection.peer.ip()));
    // A proxy that does not name its clients speaks for many of them.
    let speaks_for_many =
        proxied && connection.is_some_and(|connection| connection.peer.ip().to_canonical() == source.address);
    let half_open = &relay.half_open;
    let holder = if speaks_for_many { Holder::Proxy } else { Holder::Source };
    let notice = Notice::default();
    let admitted = half_open.admit(holder(source.address), &notice);
    let Some(permit) = admitted else {
        relay.app.metrics.connections_shed.inc();
        return too_many();
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let origin = Origin { source: source.address, exporter, proxied };
    relay.tasks.clone().spawn(async move {
        if let Some(stream) = stream_of(upgraded).await {
            control::run(relay, stream, origin, (permit, notice)).await;
        }
    });
    switching()
}

async fn data(State(relay): State<Relay>, mut request: Request) -> Response {
    if !asks_for_tunnel(request.headers()) {
        return not_an_upgrade();
    }
    let presented = request
        .headers()
        .get(TICKET_HEADER)
        .and_then(|value| value.to_str().ok()?.parse::<TicketHeader>().ok());
    let Some(arrival) = presented.and_then(|header| relay.redeem(&header)) else {
        return (StatusCode::FORBIDDEN, "The ticket is not valid, or was used before.\n").into_response();
    };
    let upgraded = hyper::upgrade::on(&mut request);
    relay.tasks.spawn(async move {
        if let Some(stream) = stream_of(upgraded).await {
            arrival.deliver(stream, Way::Upgrade);
        }
    });
    switching()
}

/// Returns the stream below HTTP, once the answer to the upgrade has been sent.
async fn stream_of(upgrade: OnUpgrade) -> Option<Stream> {
    let stream = Switched::from(upgrade).await?.answered().await.ok()?;
    stream.watch_closely();
    Some(stream)
}

fn asks_for_tunnel(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(UPGRADE.as_bytes()))
}

fn switching() -> Response {
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static(UPGRADE)),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// The answer when too many peers from one source are proving their identity.
fn too_many() -> Response {
    let headers = [(header::RETRY_AFTER, HeaderValue::from(Refusal::FIRST_RETRY.as_secs()))];
    (
        StatusCode::SERVICE_UNAVAILABLE,
        headers,
        "Too many devices are joining from your address. Try again later.\n",
    )
        .into_response()
}

fn not_an_upgrade() -> Response {
    let headers = [
        (header::UPGRADE, HeaderValue::from_static(UPGRADE)),
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
    ];
    (StatusCode::UPGRADE_REQUIRED, headers, "Only `transom agent` and `transom connect` use this address.\n")
        .into_response()
}
