//! The identity service. An access key appears as a user and as an application credential, and a
//! project of Transom as a project.

mod catalog;
mod credentials;
mod domain;
mod v2;
mod v3;
mod versions;

use axum::body::Body;
use axum::response::Response;
use http::Method;
use serde_json::Value;

use super::fault::Fault;
use super::request::ApiRequest;
use super::request_path::Version;
use transom_app::App;

/// Returns the refusals of a body, read by each operation that takes one.
pub(super) fn read_anywhere(body: &Value) -> Vec<Fault> {
    let refused = [credentials::read(body.clone()).err(), v2::read(body.clone()).err()];
    refused.into_iter().flatten().collect()
}

/// Returns the list of versions, for a client that asks the root.
pub(super) fn versions(app: &App) -> Response {
    versions::at_root(app)
}

/// Answers a request.
pub(super) async fn answer(request: &ApiRequest<'_>, body: Body) -> Result<Response, Fault> {
    let segments = request.path.segments();
    let method = &request.method;
    let allowed = |methods: &[Method], names| {
        if methods.contains(method) { Ok(()) } else { Err(Fault::bad_method(names)) }
    };
    let get = || allowed(&[Method::GET], "GET, HEAD");
    match (request.path.version, segments.as_slice()) {
        (Version::None, []) => get().map(|()| versions::list(request)),
        (Version::V3, []) => get().map(|()| versions::v3(request)),
        (Version::V20, []) => get().map(|()| versions::v2(request)),
        (Version::V3, ["auth", "tokens"]) => {
            allowed(&[Method::GET, Method::POST, Method::DELETE], "GET, HEAD, POST, DELETE")?;
            match *method {
                Method::POST => v3::issue(request, body).await,
                Method::DELETE => v3::revoke(request).await,
                _ => v3::show(request).await,
            }
        }
        (Version::V3, ["auth", "projects"]) => {
            get()?;
            v3::projects(request).await
        }
        (Version::V3, ["auth", "domains"]) => {
            get()?;
            v3::domains(request).await
        }
        (Version::V3, ["auth", "catalog"]) => {
            get()?;
            v3::catalog(request).await
        }
        (Version::V20, ["tokens"]) => {
            allowed(&[Method::POST], "POST")?;
            v2::issue(request, body).await
        }
        _ => Err(Fault::not_found()),
    }
}
