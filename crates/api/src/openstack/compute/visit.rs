//! An authenticated call, and what the answers to all of them share.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::microversion::Microversion;
use crate::openstack::asked::Asked;
use crate::openstack::reply;
use transom_app::Call;

/// An authenticated call to one version of the service.
pub(super) struct Visit<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) call: Call,
    /// The project's id.
    pub(super) project: String,
    /// The project as the path names it, where it does.
    pub(super) named: Option<String>,
    pub(super) microversion: Microversion,
}

impl Visit<'_> {
    /// Where links lead: our address, the version and, where the caller wrote it, the project.
    pub(super) fn link(&self, path: &str) -> String {
        let base = format!("{}{}", base(self.asked), self.asked.place.root);
        match &self.named {
            Some(project) => format!("{base}/{}/{path}", percent(project)),
            None => format!("{base}/{path}"),
        }
    }

    /// Both links that upstream gives each thing.
    pub(super) fn links(&self, path: &str) -> Value {
        json!([
            { "rel": "self", "href": self.link(path) },
            { "rel": "bookmark", "href": format!("{}/{path}", base(self.asked)) },
        ])
    }
}

/// What our URLs begin with.
pub(super) fn base<'a>(asked: &'a Asked<'_>) -> &'a str {
    asked.app.public_url().as_str().trim_end_matches('/')
}

/// A path's segment, as it stands in a URL.
pub(super) fn percent(segment: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let bytes = segment.bytes();
    bytes.map(|byte| if safe(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

/// The answer where all went well.
pub(super) fn ok(body: &Value) -> Response {
    reply::json(StatusCode::OK, body)
}
