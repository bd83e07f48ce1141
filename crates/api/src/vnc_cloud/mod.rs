//! VNC Cloud API 1.1 and 1.0: `/cloud/{version}/static-address…`.
//!
//! If several things are wrong with a request, the first of these decides: draining (503) · path
//! (404), method (405) · no credentials (401) · malformed key (403) · unknown key or wrong secret
//! (401) · 1001 · 1002 · 1007 · query (400) · no such address (404) · `If-Match` (412) · body too
//! large (413), not JSON or of the wrong shape (400) · the lowest of 1003, 1004, 1005, 1006, 1008
//! and 1009 · another address in the body than in the path (409). Every answer below `/cloud/` has
//! an empty body or JSON.

mod answer;
mod body;
mod credentials;
mod entity_tag;
mod listing;
mod negotiation;
mod operation;
mod route;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{Method, StatusCode, header};
use tower_http::catch_panic::CatchPanicLayer;

use crate::door::Door;
use crate::door::is_below;
use answer::Refusal;
use operation::Operation;
use route::{Route, Version};
use transom_app::{App, random};
use transom_model::dialect::Dialect;

/// The front door of VNC Cloud.
pub(crate) const DOOR: Door = Door {
    dialect: Dialect::VncCloud,
    routes: router,
    has_own_layers: false,
    ignores_leading_slashes: true,
    owns: |path| is_below(path, "/cloud"),
    is_near: |path| path.starts_with("/cloud"),
    request_id: random::request_id,
    overloaded: |_| Refusal::unavailable().into_response(),
    malformed: |_, _| Refusal::of(StatusCode::BAD_REQUEST).into_response(),
    nowhere: |_| Refusal::of(StatusCode::NOT_FOUND).into_response(),
};

fn router(app: Arc<App>) -> Router {
    // The server's own layer answers a panic with text, which this API's clients cannot read.
    let panicked = |_: Box<dyn std::any::Any + Send>| Refusal::internal().into_response();
    Router::new()
        .route("/cloud", any(serve))
        .route("/cloud/", any(serve))
        .route("/cloud/{*rest}", any(serve))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(app)
}

async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    let bodyless = request.method() == Method::HEAD;
    let response = answer(&app, request).await.unwrap_or_else(IntoResponse::into_response);
    if bodyless { without_body(response) } else { response }
}

async fn answer(app: &App, request: Request) -> Result<Response, Refusal> {
    if app.live.is_closing() {
        return Err(Refusal::unavailable());
    }
    let (parts, body) = request.into_parts();
    let mut route = Route::read(parts.uri.path())?;
    if route == Route::Collection(Version::V1_0)
        && app.config().cloud.list_in_1_0
        && parts.method != Method::POST
    {
        route = Route::Collection(Version::V1_1);
    }
    let operation = Operation::of(route, &parts.method)?;
    let auth = credentials::authenticate(app, &parts, operation.changes()).await?;
    operation.run(app, &auth, &parts, body).await
}

/// Turns an answer to GET into the answer to HEAD: the same headers without the body.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let length = axum::body::HttpBody::size_hint(&body).exact();
    if let Some(length) = length.filter(|length| *length > 0) {
        parts.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Response::from_parts(parts, axum::body::Body::empty())
}
