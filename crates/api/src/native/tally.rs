//! The answer to a call that revokes, retires or removes: the number of links and sessions that it
//! ended.

use axum::Json;
use transom_model::api::EndedBody;

use transom_app::Tally;

/// Builds the answer.
pub(super) fn ended(id: &str, Tally { links, sessions }: Tally) -> Json<EndedBody> {
    Json(EndedBody { id: id.to_owned(), links, sessions })
}
