//! OpenStack and Rackspace: a Keystone in front of a Nova that knows servers and their consoles.
//!
//! ```text
//! /identity, /v3, /v2.0      who asks: tokens, projects, the catalogue
//! /compute, /v2.1, /v2       servers, flavors, consoles
//! ```
//! Each answer, whatever went wrong, is JSON in the shape of the service that was asked.

mod access;
mod asked;
mod body;
mod compute;
mod fault;
pub mod fuzz;
mod identity;
mod place;
mod python;
mod reply;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method};
use transom_model::id::RequestId;

use super::paths::is_below;
use asked::Asked;
use fault::{Fault, Style};
use place::{Place, Service};
use transom_app::{App, random};
use transom_http::source::Source;

/// A little less than the house's own limit, so that the answer is still one of this dialect.
const ANSWER: Duration = Duration::from_secs(25);
/// Every path that is answered here; each also with something behind it.
const ROOTS: [&str; 6] = ["/identity", "/v3", "/v2.0", "/compute", "/v2.1", "/v2"];

const COMPUTE_REQUEST_ID: HeaderName = HeaderName::from_static("x-compute-request-id");
const OPENSTACK_REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// The front door.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for root in ROOTS {
        router = router
            .route(root, any(answer))
            .route(&format!("{root}/"), any(answer))
            .route(&format!("{root}/{{*rest}}"), any(answer));
    }
    router.with_state(app)
}

/// Whether this door answers for a path.
pub(super) fn owns(path: &str) -> bool {
    ROOTS.iter().any(|root| is_below(path, root))
}

/// What the root says to programs: identity's versions, since clients that are given no path begin there.
pub fn versions(app: &App) -> Response {
    identity::versions(app)
}

/// The answer to a call of a path that is none, but meant for this door: `/identityv3`, say.
pub(super) fn nowhere(app: &App, path: &str) -> Option<Response> {
    let root = ROOTS.into_iter().find(|root| path.starts_with(root))?;
    Some(unheard(Fault::not_found(), app, &random::request_id(), root))
}

/// The answer to a call that nobody looked at.
pub(super) fn overloaded(app: &App, path: &str) -> Response {
    unheard(Fault::unavailable(), app, &random::request_id(), path)
}

/// The answer to a call that is no HTTP.
pub(super) fn malformed(app: &App, request: &RequestId, path: &str, sentence: &str) -> Response {
    unheard(Fault::bad_request(sentence.to_owned()), app, request, path)
}

fn unheard(fault: Fault, app: &App, request: &RequestId, path: &str) -> Response {
    let place = Place::of(path);
    let response = fault.render(Style::of(&place), app, request);
    with_ids(response, place.service, request)
}

async fn answer(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let place = Place::of(parts.uri.path());
    let (style, service) = (Style::of(&place), place.service);
    let request = parts.extensions.get::<RequestId>().cloned();
    let request = request.unwrap_or_else(random::request_id);
    let source = parts.extensions.get::<Source>().copied();
    let asked = Asked {
        app: &app,
        place,
        // HEAD is GET whose body is left out below us.
        method: if parts.method == Method::HEAD { Method::GET } else { parts.method },
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        source: source.unwrap_or(Source { address: std::net::Ipv4Addr::UNSPECIFIED.into(), https: false }),
        request: request.clone(),
        extensions: parts.extensions,
    };
    let answering = async {
        match service {
            Service::Identity => identity::answer(&asked, body).await,
            Service::Compute => compute::answer(&asked, body).await,
        }
    };
    // A panic is our own fault, and is told in this dialect too.
    let answering = AssertUnwindSafe(answering).catch_unwind();
    let answered = match tokio::time::timeout(ANSWER, answering).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(_)) => Err(Fault::internal()),
        Err(_) => Err(Fault::unavailable()),
    };
    let response = answered.unwrap_or_else(|fault| fault.render(style, &app, &request));
    with_ids(response, service, &request)
}

/// The answer with the call's id in the headers where clients look for it.
fn with_ids(mut response: Response, service: Service, request: &RequestId) -> Response {
    if let Ok(id) = HeaderValue::from_str(request.as_str()) {
        let headers = response.headers_mut();
        if service == Service::Compute {
            headers.insert(COMPUTE_REQUEST_ID, id.clone());
        }
        headers.insert(OPENSTACK_REQUEST_ID, id);
    }
    response
}
