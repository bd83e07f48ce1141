//! An authenticated call, and the parts that all answers share.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::microversion::Microversion;
use crate::openstack::reply;
use crate::openstack::request::ApiRequest;
use transom_app::Call;

/// An authenticated call to one version of the service.
pub(super) struct Context<'a> {
    pub(super) request: &'a ApiRequest<'a>,
    pub(super) call: Call,
    /// The project's id.
    pub(super) project: String,
    /// The project as the path names it; `None` if the path names none.
    pub(super) named: Option<String>,
    pub(super) microversion: Microversion,
}

impl Context<'_> {
    /// Returns the URL of a path below the version, with the project if the caller's path names it.
    pub(super) fn link(&self, path: &str) -> String {
        let base = format!("{}{}", base(self.request), self.request.path.root);
        match &self.named {
            Some(project) => format!("{base}/{}/{path}", percent(project)),
            None => format!("{base}/{path}"),
        }
    }

    /// Returns the two links that Nova gives each object.
    pub(super) fn links(&self, path: &str) -> Value {
        json!([
            { "rel": "self", "href": self.link(path) },
            { "rel": "bookmark", "href": format!("{}/{path}", base(self.request)) },
        ])
    }
}

/// Returns the base of the server's own URLs.
pub(super) fn base<'a>(request: &'a ApiRequest<'_>) -> &'a str {
    request.app.public_url().as_str().trim_end_matches('/')
}

/// Returns a path's segment with percent-encoding.
pub(super) fn percent(segment: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let bytes = segment.bytes();
    bytes.map(|byte| if safe(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

/// Builds the answer of a successful call.
pub(super) fn ok(body: &Value) -> Response {
    reply::json(StatusCode::OK, body)
}
