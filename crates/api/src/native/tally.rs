//! The answer to a call that revokes, retires or removes: the links and sessions that ended with it.

use axum::Json;
use transom_model::api::EndedBody;

use transom_app::Tally;

/// The answer of these numbers.
pub(super) fn ended(id: &str, Tally { links, sessions }: Tally) -> Json<EndedBody> {
    Json(EndedBody { id: id.to_owned(), links, sessions })
}
