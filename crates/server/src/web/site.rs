//! The state of the pages.

use std::sync::Arc;

use axum::response::Response;
use http::HeaderValue;

use transom_app::App;
use transom_gateway::entrance::Gateway;

/// The state that every handler of the pages has.
#[derive(Clone)]
pub(super) struct Web {
    pub(super) app: Arc<App>,
    pub(super) gateway: Gateway,
    pub(super) console_policy: HeaderValue,
    /// The root's answer to programs.
    pub(super) document: fn(&App) -> Response,
}
