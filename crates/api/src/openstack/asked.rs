//! A call as every service gets it.

use std::sync::Arc;

use http::Method;
use transom_model::id::RequestId;

use super::place::Place;
use transom_app::App;
use transom_app::access::caller::Attempt;
use transom_http::source::Source;

/// One call, taken apart as far as every service needs it.
pub(super) struct Asked<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) place: Place,
    pub(super) method: Method,
    pub(super) query: String,
    pub(super) headers: http::HeaderMap,
    pub(super) source: Source,
    pub(super) request: RequestId,
    pub(super) extensions: http::Extensions,
}

impl Asked<'_> {
    /// The call, while its caller has proved nothing.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        Attempt { source: self.source.address, request: &self.request }
    }
}
