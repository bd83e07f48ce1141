//! `/api/v1/keys`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use transom_model::access_key::{AccessKey, AccessKeyId, Role};
use transom_model::api::{
    EndedBody, ErrorBody, KeyBody, KeySecretBody, List, NewKeyBody, NewTokenBody, TokenBody,
};
use transom_model::secret::Secret;

use super::access::{Caller, key_id};
use super::filters::ProjectFilter;
use super::input::{Body, Path, Query};
use super::paging::Paging;
use super::tally::ended;
use transom_app::App;
use transom_http::error::Failure;

/// Lists access keys (admin).
#[utoipa::path(get, operation_id = "list_keys", path = "/api/v1/keys", tag = "keys", params(ProjectFilter, Paging), responses(
    (status = 200, body = List<KeyBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<ProjectFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<KeyBody>>, Failure> {
    let keys = app.access.keys(&caller.0, filter.project.as_deref(), paging.page()).await;
    let keys = keys.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(keys, |key| key.id.to_string())))
}

/// Creates an access key (admin). Its secret is shown only once.
#[utoipa::path(post, operation_id = "create_key", path = "/api/v1/keys", tag = "keys", request_body = NewKeyBody, responses(
    (status = 201, body = KeySecretBody), (status = "default", body = ErrorBody)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(body): Body<NewKeyBody>,
) -> Result<(StatusCode, Json<KeySecretBody>), Failure> {
    let role = body.role.unwrap_or(Role::Member);
    let made = app.access.create_key(&caller.0, &body.project, &body.name, role).await;
    let made = made.map_err(|error| caller.failed(error))?;
    Ok((StatusCode::CREATED, Json(secret_body(made))))
}

/// Adds a second secret (admin). The old one stays valid until it is retired.
#[utoipa::path(post, operation_id = "rotate_key", path = "/api/v1/keys/{id}/rotate", tag = "keys", params(("id" = AccessKeyId, Path)), responses(
    (status = 200, body = KeySecretBody), (status = "default", body = ErrorBody)))]
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<Json<KeySecretBody>, Failure> {
    let rotated = async { app.access.rotate_key(&caller.0, &key_id(&key)?).await };
    rotated.await.map(|made| Json(secret_body(made))).map_err(|error| caller.failed(error))
}

/// Retires the older of two secrets, and ends what was created with it (admin).
#[utoipa::path(post, operation_id = "retire_key_secret", path = "/api/v1/keys/{id}/retire", tag = "keys", params(("id" = AccessKeyId, Path)), responses(
    (status = 200, body = EndedBody), (status = "default", body = ErrorBody)))]
pub(super) async fn retire(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<Json<EndedBody>, Failure> {
    let retired = async { app.access.retire_key_secret(&caller.0, &key_id(&key)?).await };
    retired.await.map(|tally| ended(&key, tally)).map_err(|error| caller.failed(error))
}

/// The default lifetime of an API token.
const TOKEN_TTL: Duration = Duration::from_secs(3600);

/// Creates an API token that stands for the key until it expires (admin, or the key itself).
#[utoipa::path(post, operation_id = "create_token", path = "/api/v1/keys/{id}/token", tag = "keys", params(("id" = AccessKeyId, Path)),
    request_body = NewTokenBody, responses(
    (status = 201, body = TokenBody), (status = "default", body = ErrorBody)))]
pub(super) async fn token(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(key): Path<String>,
    Body(body): Body<NewTokenBody>,
) -> Result<(StatusCode, Json<TokenBody>), Failure> {
    let ttl = body.ttl_seconds.map_or(TOKEN_TTL, Duration::from_secs);
    let issued = async { app.access.issue_token_for(&caller.0, &key_id(&key)?, ttl).await };
    let (issued, token) = issued.await.map_err(|error| caller.failed(error))?;
    let body = TokenBody {
        id: issued.id().to_string(),
        token: token.expose().to_owned(),
        key: issued.key.id.to_string(),
        project: issued.key.project.to_string(),
        expires_at: issued.expires_at.to_string(),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Revokes an access key and ends the consoles that were opened with it (admin).
#[utoipa::path(delete, operation_id = "revoke_key", path = "/api/v1/keys/{id}", tag = "keys", params(("id" = AccessKeyId, Path)), responses(
    (status = 200, body = EndedBody), (status = "default", body = ErrorBody)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<Json<EndedBody>, Failure> {
    let revoked = async { app.access.revoke_key(&caller.0, &key_id(&key)?).await };
    revoked.await.map(|tally| ended(&key, tally)).map_err(|error| caller.failed(error))
}

fn secret_body((key, secret): (AccessKey, Secret)) -> KeySecretBody {
    KeySecretBody {
        id: key.id.to_string(),
        secret: secret.expose().to_owned(),
        project: key.project.to_string(),
    }
}
