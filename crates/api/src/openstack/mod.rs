//! OpenStack and Rackspace: a Keystone in front of a Nova that knows servers and their consoles.
//!
//! ```text
//! /identity, /v3, /v2.0      who asks: tokens, projects, the catalogue
//! /compute, /v2.1, /v2       servers, flavors, consoles
//! ```
//! Each answer is JSON in the form of its service, errors and timeouts included.

mod access;
mod body;
mod compute;
mod fault;
pub mod fuzz;
mod identity;
mod python;
mod reply;
mod request;
mod request_path;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method};
use transom_model::dialect::Dialect;
use transom_model::id::RequestId;

use crate::door::is_below;
use crate::door::{Door, Unrouted};
use fault::{Fault, Style};
use request::ApiRequest;
use request_path::{RequestPath, Service};
use transom_app::{App, random};
use transom_http::source::Source;

/// The time limit of an answer. It is a little less than the server's own limit, so that a late
/// answer still has this dialect's form.
const ANSWER: Duration = Duration::from_secs(25);
/// The roots of the paths that this door answers.
const ROOTS: [&str; 6] = ["/identity", "/v3", "/v2.0", "/compute", "/v2.1", "/v2"];

const COMPUTE_REQUEST_ID: HeaderName = HeaderName::from_static("x-compute-request-id");
const OPENSTACK_REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// The front door of OpenStack and Rackspace.
pub(crate) const DOOR: Door = Door {
    dialect: Dialect::Openstack,
    routes: router,
    has_own_layers: false,
    ignores_leading_slashes: true,
    owns: |path| ROOTS.iter().any(|root| is_below(path, root)),
    is_near: |path| near(path).is_some(),
    request_id: random::request_id,
    overloaded: |request| unrouted(Fault::unavailable(), request, request.path),
    malformed: |request, sentence| unrouted(Fault::bad_request(sentence.to_owned()), request, request.path),
    // The answer has the form of the service whose path is near.
    nowhere: |request| unrouted(Fault::not_found(), request, near(request.path).unwrap_or(request.path)),
};

fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for root in ROOTS {
        router = router
            .route(root, any(answer))
            .route(&format!("{root}/"), any(answer))
            .route(&format!("{root}/{{*rest}}"), any(answer));
    }
    router.with_state(app)
}

/// Returns the list of identity's versions, for programs that ask the root path. Clients that are
/// given no path begin there.
pub fn versions(app: &App) -> Response {
    identity::versions(app)
}

/// Returns the root that a path such as `/identityv3` was meant for.
fn near(path: &str) -> Option<&'static str> {
    ROOTS.into_iter().find(|root| path.starts_with(root))
}

/// Answers a request that no route handles, in the form of the service at `path`.
fn unrouted(fault: Fault, request: &Unrouted<'_>, path: &str) -> Response {
    let path = RequestPath::of(path);
    let response = fault.render(Style::of(&path), request.app, &request.id);
    with_ids(response, path.service, &request.id)
}

async fn answer(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = RequestPath::of(parts.uri.path());
    let (style, service) = (Style::of(&path), path.service);
    let id = parts.extensions.get::<RequestId>().cloned();
    let source = parts.extensions.get::<Source>().copied();
    let request = ApiRequest {
        app: &app,
        path,
        // The server drops the body of the answer to HEAD.
        method: if parts.method == Method::HEAD { Method::GET } else { parts.method },
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        source: source
            .unwrap_or_else(|| Source { address: std::net::Ipv4Addr::UNSPECIFIED.into(), https: false }),
        id: id.unwrap_or_else(random::request_id),
        extensions: parts.extensions,
    };
    let answering = async {
        match service {
            Service::Identity => identity::answer(&request, body).await,
            Service::Compute => compute::answer(&request, body).await,
        }
    };
    // A panic is answered in this dialect too.
    let answering = AssertUnwindSafe(answering).catch_unwind();
    let answered = match tokio::time::timeout(ANSWER, answering).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(_)) => Err(Fault::internal()),
        Err(_) => Err(Fault::unavailable()),
    };
    let response = answered.unwrap_or_else(|fault| fault.render(style, &app, &request.id));
    with_ids(response, service, &request.id)
}

/// Adds the request's id, in the headers that clients read.
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
