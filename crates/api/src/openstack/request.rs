//! A request to one of the services.

use std::sync::Arc;

use http::Method;
use transom_model::id::RequestId;

use super::request_path::RequestPath;
use transom_app::App;
use transom_app::access::caller::Attempt;
use transom_http::source::Source;

/// The parts of a request that every service needs.
pub(super) struct ApiRequest<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) path: RequestPath,
    pub(super) method: Method,
    pub(super) query: String,
    pub(super) headers: http::HeaderMap,
    pub(super) source: Source,
    pub(super) id: RequestId,
    pub(super) extensions: http::Extensions,
}

impl ApiRequest<'_> {
    /// The attempt of a caller that is not authenticated yet.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        Attempt { source: self.source.address, request: &self.id }
    }
}
