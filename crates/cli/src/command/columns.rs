//! Columns that several lists have.

use transom_model::api::SessionBody;

/// The creator of a link: an access key, or the operator.
pub(super) fn by(key: Option<&String>) -> String {
    key.cloned().unwrap_or_else(|| "operator".to_owned())
}

/// A count of a session's bytes, if the queried node knows it. It learns the count of another
/// node's connection when that connection ends.
pub(super) fn bytes(session: &SessionBody, count: u64) -> String {
    if session.uncounted { "live".to_owned() } else { count.to_string() }
}
