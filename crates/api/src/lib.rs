//! The front doors, one for each dialect. A dialect turns its requests into use cases, and the
//! errors of use cases into its own.

mod door;
mod doors;
mod endpoint_tests;
mod native;
pub mod openstack;
mod refusals;
mod vnc_cloud;
pub mod zenlayer;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Uri;
use http::uri::PathAndQuery;
use tower::ServiceExt as _;
use transom_app::App;
use transom_app::audit::refusals::BadRequest;
use transom_http::put_id;

use door::{Door, Unrouted};
use doors::{DOORS, door_of, owner};
pub use endpoint_tests::EndpointTests;

/// The routes of all front doors.
pub struct Routes {
    /// The doors that the server's layers surround.
    pub layered: Router,
    /// The doors that bring layers of their own, to be merged outside the server's.
    pub bare: Router,
    /// The doors to which a path with superfluous slashes in front leads, for [`nearby`].
    pub lenient: Router,
}

/// Builds the routes.
pub fn routes(app: &Arc<App>, tests: EndpointTests) -> Routes {
    let mut routes = Routes { layered: Router::new(), bare: Router::new(), lenient: Router::new() };
    for door in DOORS {
        let router = (door.routes)(Arc::clone(app));
        if door.ignores_leading_slashes {
            routes.lenient = routes.lenient.merge(router.clone());
        }
        let all = if door.has_own_layers { &mut routes.bare } else { &mut routes.layered };
        *all = std::mem::take(all).merge(router);
    }
    routes.layered = routes.layered.layer(Extension(tests));
    routes
}

/// Answers a request that finds the server at its limits, in the form of its path's dialect.
pub fn overloaded(app: &App, path: &str) -> Response {
    let door = door_of(path);
    (door.overloaded)(&unrouted(door, app, path))
}

/// Answers a request that is not valid HTTP, in the form of its path's dialect.
pub async fn malformed(app: &App, source: IpAddr, path: &str, sentence: &str) -> Response {
    let door = door_of(path);
    let unrouted = unrouted(door, app, path);
    let mut response = (door.malformed)(&unrouted, sentence);
    put_id(response.headers_mut(), &unrouted.id);
    let (dialect, target) = (door.dialect, String::new());
    let bad = BadRequest { request: &unrouted.id, source, call: None, dialect, target, reason: sentence };
    app.audit.note_bad_request(bad).await;
    response
}

/// Answers a request whose path leads nowhere but is near a front door's: it has superfluous
/// slashes in front, or lacks one. `lenient` is [`Routes::lenient`]. Returns `None` if no door is
/// near.
pub async fn nearby(app: &App, lenient: Router, mut request: Request) -> Option<Response> {
    let path = format!("/{}", request.uri().path().trim_start_matches('/'));
    if request.uri().path() != path && owner(&path).is_some_and(|door| door.ignores_leading_slashes) {
        *request.uri_mut() = with_path(request.uri(), &path)?;
        return lenient.oneshot(request).await.ok();
    }
    let door = DOORS.into_iter().find(|door| (door.is_near)(&path))?;
    Some((door.nowhere)(&unrouted(door, app, &path)))
}

/// Puts the reason of each 400 of the surrounded routes into the log and the audit.
pub async fn tell_refusals(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let dialect = door_of(request.uri().path()).dialect;
    refusals::told(&app, dialect, request, next).await
}

fn unrouted<'a>(door: &Door, app: &'a App, path: &'a str) -> Unrouted<'a> {
    Unrouted { app, path, id: (door.request_id)() }
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{path}{query}").parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}
