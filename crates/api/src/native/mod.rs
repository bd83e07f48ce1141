//! Transom's own API: `/api/v1`, described by `/openapi.json`.

mod access;
mod addresses;
mod audit;
mod consoles;
mod document;
mod enrollments;
mod filters;
mod import;
mod input;
mod instances;
mod keys;
mod paging;
mod presence;
mod projects;
mod queries;
mod tally;
mod tokens;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use transom_model::api::{ErrorBody, ErrorDetail, PresenceBody};
use transom_model::dialect::Dialect;
use transom_model::end_reason::{End, EndReason};
use transom_model::schema;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::door::is_below;
use crate::door::{Door, Unrouted};
use queries::Queries;
use transom_app::{App, Error, random};
use transom_http::error::Failure;
use transom_http::{Id, limits, put_id};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Transom",
        description = "Projects, access keys, instances, consoles, sessions and audit.",
        license(name = "Apache-2.0 OR MIT"),
    ),
    modifiers(&Security),
    components(schemas(
        schema::LinkWord,
        schema::Id,
        schema::RequestWord,
        schema::SourceAddress,
        schema::TokenId,
        PresenceBody
    )),
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
        .routes(routes!(tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(instances::list, instances::create))
        .routes(routes!(instances::show, instances::change, instances::remove))
        .routes(routes!(instances::test))
        .routes(routes!(import::import).layer(DefaultBodyLimit::max(limits::IMPORT_BODY)))
        .routes(routes!(addresses::list, addresses::create))
        .routes(routes!(addresses::show, addresses::change, addresses::remove))
        .routes(routes!(addresses::reset))
        .routes(routes!(addresses::relocate))
        .routes(routes!(addresses::accept_key))
        .routes(routes!(addresses::ticket, addresses::revoke_ticket))
        .routes(routes!(addresses::viewer_id))
        .routes(routes!(presence::follow))
        .routes(routes!(enrollments::list, enrollments::create))
        .routes(routes!(enrollments::revoke))
        .routes(routes!(consoles::open))
        .routes(routes!(consoles::grants))
        .routes(routes!(consoles::grant, consoles::revoke))
        .routes(routes!(consoles::report))
        .routes(routes!(consoles::revoke_and_report))
        .routes(routes!(consoles::sessions))
        .routes(routes!(consoles::end))
        .routes(routes!(audit::list))
}

/// The front door of Transom's own API.
pub(crate) const DOOR: Door = Door {
    dialect: Dialect::Api,
    routes: router,
    has_own_layers: false,
    ignores_leading_slashes: false,
    owns: |path| is_below(path, "/api/v1") || path == DOCUMENT,
    is_near: |path| path.starts_with("/api"),
    request_id: random::request_id,
    overloaded: |request| unrouted(End::from(EndReason::Overloaded), request),
    malformed: |request, sentence| unrouted(Error::Malformed(sentence.to_owned()), request),
    nowhere: |request| unrouted(Error::NotFound("path"), request),
};

/// The path of the API's description.
const DOCUMENT: &str = "/openapi.json";

/// The routes of the API and of its description.
fn router(app: Arc<App>) -> Router {
    let (router, described) = documented().split_for_parts();
    let document = document::whole(&described);
    let queries = Queries::of(&document);
    let description = document::text(&document);
    router
        .route(DOCUMENT, get(async move || ([(CONTENT_TYPE, "application/json")], description)))
        .route("/api/v1/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(not_allowed)
        .layer(Extension(queries))
        .with_state(app)
}

/// Answers a request that no route handles.
fn unrouted(error: impl Into<Error>, request: &Unrouted<'_>) -> Response {
    let mut response = Failure::new(error, &request.id).into_response();
    put_id(response.headers_mut(), &request.id);
    response
}

async fn unknown(id: Id) -> Response {
    Failure::new(Error::NotFound("path"), &id.0).into_response()
}

/// Answers a request whose path does not take its method. `Allow` names the methods that it takes.
async fn not_allowed(id: Id) -> Response {
    let error =
        ErrorDetail::plain("method-not-allowed", "the path does not accept this method".to_owned(), &id.0);
    (StatusCode::METHOD_NOT_ALLOWED, Json(ErrorBody { error })).into_response()
}
