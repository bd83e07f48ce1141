//! Refusals for devices and viewers.

use transom_tunnel::{Refusal, RefusalCode};

use crate::error::Error;

/// Returns the refusal of a credential that is void.
pub(crate) fn gone(detail: &str) -> Refusal {
    Refusal::from(RefusalCode::CloudAuthenticationFailed).because(detail)
}

/// Logs the error, and returns the refusal for an unreachable database.
pub(crate) fn unavailable(error: impl Into<Error>) -> Refusal {
    let error = error.into();
    if error.is_news() {
        tracing::warn!(%error, "a device could not be served");
    }
    Refusal::from(RefusalCode::CloudConnectivityError).because("the server cannot reach its database")
}
