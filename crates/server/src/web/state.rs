//! The state that the handlers of the pages share.

use std::sync::Arc;

use axum::response::Response;
use http::HeaderValue;

use transom_app::App;
use transom_gateway::entrance::Gateway;

#[derive(Clone)]
pub(super) struct Web {
    pub(super) app: Arc<App>,
    pub(super) gateway: Gateway,
    pub(super) console_policy: HeaderValue,
    /// Answers programs that ask for the root.
    pub(super) document: fn(&App) -> Response,
}
