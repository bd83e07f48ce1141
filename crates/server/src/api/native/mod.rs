//! Our own API: `/api/v1`, described by `/openapi.json`.

mod access;
mod addresses;
mod audit;
mod consoles;
mod enrolments;
mod input;
mod instances;
mod keys;
mod paging;
mod presence;
mod projects;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Error};
use crate::http::Id;
use crate::http::error::Failure;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Transom",
        description = "Projects, access keys, instances, consoles, sessions and audit.",
        license(name = "Apache-2.0 OR MIT"),
    ),
    modifiers(&Security),
    security(("operator" = []), ("access-key" = [])),
)]
struct Description;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("operator", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("access-key", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    }
}

fn documented() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(projects::list, projects::create))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::retire))
        .routes(routes!(keys::token))
        .routes(routes!(instances::list, instances::create))
        .routes(routes!(instances::show, instances::change, instances::remove))
        .routes(routes!(addresses::list, addresses::create))
        .routes(routes!(addresses::show, addresses::change, addresses::remove))
        .routes(routes!(addresses::reset))
        .routes(routes!(addresses::relocate))
        .routes(routes!(addresses::accept_key))
        .routes(routes!(addresses::ticket, addresses::revoke_ticket))
        .routes(routes!(addresses::viewer_id))
        .routes(routes!(presence::follow))
        .routes(routes!(enrolments::list, enrolments::create))
        .routes(routes!(enrolments::revoke))
        .routes(routes!(consoles::open))
        .routes(routes!(consoles::grants))
        .routes(routes!(consoles::grant, consoles::revoke))
        .routes(routes!(consoles::report))
        .routes(routes!(consoles::revoke_and_report))
        .routes(routes!(consoles::sessions))
        .routes(routes!(consoles::kill))
        .routes(routes!(audit::list))
}

/// The API and its description.
pub fn router(app: Arc<App>) -> Router {
    let (router, _) = documented().split_for_parts();
    let description = openapi();
    router
        .route("/openapi.json", get(async move || ([(CONTENT_TYPE, "application/json")], description)))
        .route("/api/v1/{*rest}", axum::routing::any(unknown))
        .with_state(app)
}

/// The API's description (OpenAPI 3.1), as it is checked in.
#[must_use]
pub fn openapi() -> String {
    let (_, description) = documented().split_for_parts();
    description.to_pretty_json().map(|json| json + "\n").unwrap_or_default()
}

async fn unknown(id: Id) -> Response {
    Failure::new(Error::NotFound("path"), &id.0).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `TRANSOM_UPDATE=1 cargo test -p transom-server` writes the file anew.
    #[test]
    fn the_checked_in_description_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        if std::env::var_os("TRANSOM_UPDATE").is_some() {
            std::fs::write(path, openapi()).expect("the file can be written");
        }
        let checked_in = std::fs::read_to_string(path).expect("docs/openapi.json");
        assert!(checked_in == openapi(), "the API changed: TRANSOM_UPDATE=1 cargo test -p transom-server");
        assert!(checked_in.contains("\"openapi\": \"3.1."));
    }
}
