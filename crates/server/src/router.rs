//! All HTTP paths on one page, each with the part that answers it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler as _;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use http::{HeaderMap, StatusCode, header};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use transom_model::secret::Secret;

use crate::web;
use transom_api::EndpointTests;
use transom_app::App;
use transom_app::access::caller::{Attempt, Proof};
use transom_app::metrics::Now;
use transom_app::upkeep::readiness::Unready;
use transom_gateway::entrance::Gateway;
use transom_http::limits::ANSWER;
use transom_http::source::Source;
use transom_http::{Id, host, limits, with_host, with_request_id};
use transom_relay::Relay;

/// The headers in which a proxy names the client for which it speaks.
const FORWARDED: [&str; 5] = ["x-forwarded-for", "x-forwarded-proto", "x-real-ip", "forwarded", "via"];

/// Returns the router of all paths.
pub(crate) fn router(app: &Arc<App>, gateway: Gateway, tests: EndpointTests, relay: Relay) -> Router {
    let own = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(app));
    let doors = transom_api::routes(app, tests);
    let elsewhere = Elsewhere { app: Arc::clone(app), lenient: doors.lenient };
    Router::new()
        .merge(own)
        .merge(doors.layered)
        .merge(transom_relay::entrance::router(relay))
        .merge(web::router(Arc::clone(app), gateway, transom_api::openstack::versions))
        .fallback_service(nowhere.with_state(elsewhere))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, ANSWER))
        .layer(CatchPanicLayer::new())
        .layer(DefaultBodyLimit::max(limits::BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(app), transom_api::tell_refusals))
        .layer(middleware::from_fn(with_request_id))
        .layer(middleware::from_fn(with_host))
        .merge(doors.bare)
}

/// The state for paths that no route matches.
#[derive(Clone)]
struct Elsewhere {
    app: Arc<App>,
    /// The routes of the front doors that also accept superfluous slashes in a path.
    lenient: Router,
}

/// Answers a path that no route matches. A base URL may end with a slash or lack one, so the path
/// may still mean a front door.
async fn nowhere(State(elsewhere): State<Elsewhere>, request: Request) -> Response {
    let answered = transom_api::nearby(&elsewhere.app, elsewhere.lenient, request).await;
    answered.unwrap_or_else(|| (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response())
}

/// Tells a load balancer whether this node can serve.
async fn readyz(State(app): State<Arc<App>>) -> Response {
    if app.live.is_closing() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    match app.upkeep.ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, sentence(why)).into_response(),
    }
}

fn sentence(why: Unready) -> &'static str {
    match why {
        Unready::Silent => "the database does not answer\n",
        Unready::ReadOnly => "the database takes no writes: its disk may be full\n",
    }
}

/// Serves Prometheus metrics to callers on this machine, and to callers with the operator's token.
async fn metrics(State(app): State<Arc<App>>, id: Id, source: Source, headers: HeaderMap) -> Response {
    // A request may come from this machine's address and yet be foreign: an undeclared proxy on
    // this machine forwarded it, or this machine's browser sent it for a foreign page, to a name of
    // that page's that resolves to here.
    let from_here = source.address.is_loopback()
        && !FORWARDED.iter().any(|name| headers.contains_key(*name))
        && host::named(&headers).is_some_and(|host| is_own_name(&app, &host));
    if !from_here
        && !shows_operator_token(&app, Attempt { source: source.address, request: &id.0 }, &headers).await
    {
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
            "the operator's token is required\n",
        )
            .into_response();
    }
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let text = app.metrics.text(Now { live_sessions: app.live.count(), tasks });
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response()
}

/// Returns `true` if a host name means this machine, or is one of the server's own names.
fn is_own_name(app: &App, host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
        || app.public_url().host_str().is_some_and(|own| own.eq_ignore_ascii_case(host))
}

async fn shows_operator_token(app: &App, attempt: Attempt<'_>, headers: &HeaderMap) -> bool {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = token.and_then(|value| value.strip_prefix("Bearer ")) else { return false };
    let caller = app.access.authenticate(&Proof::Token(Secret::new(token)), attempt).await;
    caller.is_ok_and(|caller| caller.need_operator().is_ok())
}
