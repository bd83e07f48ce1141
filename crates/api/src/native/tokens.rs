//! `/api/v1/tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use transom_model::api::{EndedBody, ErrorBody, List, ListedTokenBody};
use transom_model::schema;

use super::access::{Caller, id};
use super::filters::KeyFilter;
use super::input::{Path, Query};
use super::paging::Paging;
use super::tally::ended;
use transom_app::App;
use transom_http::error::Failure;

/// Lists valid API tokens (admin; any key its own).
#[utoipa::path(get, operation_id = "list_tokens", path = "/api/v1/tokens", tag = "keys", params(KeyFilter, Paging), responses(
    (status = 200, body = List<ListedTokenBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<KeyFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<List<ListedTokenBody>>, Failure> {
    let found = async {
        let key = filter.id()?;
        app.access.tokens(&caller.0, key.as_ref(), paging.page()).await
    };
    let tokens = found.await.map_err(|error| caller.failed(error))?;
    Ok(Json(paging.list(tokens, |token| token.id().to_string())))
}

/// Revokes an API token (admin; any key its own).
///
/// It also revokes every token that was obtained with it, and ends everything that was created with
/// them.
#[utoipa::path(delete, operation_id = "revoke_token", path = "/api/v1/tokens/{id}", tag = "keys", params(("id" = schema::TokenId, Path)), responses(
    (status = 200, body = EndedBody), (status = "default", body = ErrorBody)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<Json<EndedBody>, Failure> {
    let revoked = async { app.access.revoke_token_by_id(&caller.0, id(&token, "token")?).await };
    revoked.await.map(|tally| ended(&token, tally)).map_err(|error| caller.failed(error))
}
