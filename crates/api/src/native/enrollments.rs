//! `/api/v1/enrollments`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use transom_model::api::{EnrollmentBody, EnrollmentTokenBody, ErrorBody, List, NewEnrollmentsBody};
use transom_model::schema;

use super::access::{Caller, id, key_id};
use super::filters::KeyFilter;
use super::input::{Body, Path, Query};
use super::paging::Paging;
use transom_app::devices::enrollments::{FreshEnrollment, Wanted};
use transom_app::{App, Error};
use transom_http::error::Failure;

/// The default lifetime of an enrollment token.
const TTL: Duration = Duration::from_secs(24 * 3600);

/// Lists enrollments, without their tokens.
#[utoipa::path(get, operation_id = "list_enrollments", path = "/api/v1/enrollments", tag = "addresses", params(KeyFilter, Paging), responses(
    (status = 200, body = List<EnrollmentBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<KeyFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<EnrollmentBody>>, Failure> {
    let found = async {
        let key = filter.id()?;
        app.devices.enrollments(&caller.0, key.as_ref(), paging.page()).await
    };
    let enrollments = found.await.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(enrollments, |enrollment| enrollment.id.to_string())))
}

/// Creates enrollment tokens, which are shown only once (member).
///
/// A device that presents one gets a listen address of its own.
#[utoipa::path(post, operation_id = "create_enrollments", path = "/api/v1/enrollments", tag = "addresses", request_body = NewEnrollmentsBody, responses(
    (status = 201, body = List<EnrollmentTokenBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(body): Body<NewEnrollmentsBody>,
) -> Result<(StatusCode, Json<List<EnrollmentTokenBody>>), Failure> {
    let ttl = body.ttl_seconds.map_or(TTL, Duration::from_secs);
    let made = async {
        let wanted = match (body.count, body.names, body.replace) {
            (None, None, Some(address)) => Wanted::InPlaceOf(id(&address, "cloud address")?),
            (None, Some(names), None) => Wanted::Named(names),
            (Some(count), None, None) => Wanted::Count(count),
            _ => return Err(Error::invalid("count", "give exactly one of count, names and replace")),
        };
        let key = body.key.as_deref().map(key_id).transpose()?;
        app.devices.create_enrollments(&caller.0, key.as_ref(), wanted, body.allow_groups, ttl).await
    };
    let made = made.await.map_err(|error| caller.failed(error))?;
    let expires_at = made.expires_at.to_string();
    let body = |made: FreshEnrollment| EnrollmentTokenBody {
        id: made.id.to_string(),
        name: made.name,
        token: made.token.expose().to_owned(),
        expires_at: expires_at.clone(),
    };
    Ok((StatusCode::CREATED, Json(List { items: made.tokens.into_iter().map(body).collect(), next: None })))
}

/// Revokes an unused enrollment token (member).
#[utoipa::path(delete, operation_id = "revoke_enrollment", path = "/api/v1/enrollments/{id}", tag = "addresses", params(("id" = schema::Id, Path)), responses(
    (status = 204), (status = "default", body = ErrorBody)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(enrollment): Path<String>,
) -> Result<StatusCode, Failure> {
    let revoked = async { app.devices.revoke_enrollment(&caller.0, id(&enrollment, "enrollment")?).await };
    revoked.await.map(|()| StatusCode::NO_CONTENT).map_err(|error| caller.failed(error))
}
