//! The identity service: an access key is a user and an application credential, a project is a project.

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

use super::asked::Asked;
use super::fault::Fault;
use super::place::Version;
use transom_app::App;

/// Why a body is refused, at each place that takes one.
pub(super) fn read_anywhere(body: &Value) -> Vec<Fault> {
    let refused = [credentials::read(body.clone()).err(), v2::read(body.clone()).err()];
    refused.into_iter().flatten().collect()
}

/// What versions there are, for a client that asks the root.
pub(super) fn versions(app: &App) -> Response {
    versions::at_root(app)
}

/// Answers a call.
pub(super) async fn answer(asked: &Asked<'_>, body: Body) -> Result<Response, Fault> {
    let segments = asked.place.segments();
    let method = &asked.method;
    let allowed = |methods: &[Method], names| {
        if methods.contains(method) { Ok(()) } else { Err(Fault::bad_method(names)) }
    };
    let get = || allowed(&[Method::GET], "GET, HEAD");
    match (asked.place.version, segments.as_slice()) {
        (Version::None, []) => get().map(|()| versions::list(asked)),
        (Version::V3, []) => get().map(|()| versions::v3(asked)),
        (Version::V20, []) => get().map(|()| versions::v2(asked)),
        (Version::V3, ["auth", "tokens"]) => {
            allowed(&[Method::GET, Method::POST, Method::DELETE], "GET, HEAD, POST, DELETE")?;
            match *method {
                Method::POST => v3::issue(asked, body).await,
                Method::DELETE => v3::revoke(asked).await,
                _ => v3::show(asked).await,
            }
        }
        (Version::V3, ["auth", "projects"]) => {
            get()?;
            v3::projects(asked).await
        }
        (Version::V3, ["auth", "domains"]) => {
            get()?;
            v3::domains(asked).await
        }
        (Version::V3, ["auth", "catalog"]) => {
            get()?;
            v3::catalog(asked).await
        }
        (Version::V20, ["tokens"]) => {
            allowed(&[Method::POST], "POST")?;
            v2::issue(asked, body).await
        }
        _ => Err(Fault::not_found()),
    }
}
