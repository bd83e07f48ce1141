//! `DescribeVncUrl`

use axum::response::Response;
use serde::Serialize;
use transom_model::console_kind::ConsoleKind;
use transom_model::grant::Rights;

use super::error::ApiError;
use super::reply::reply;
use super::request::ActionRequest;
use transom_app::consoles::console_url::Shape;
use transom_app::consoles::open::ConsoleRequest;
use transom_app::{App, Error};

#[derive(Serialize)]
struct VncUrl {
    url: String,
}

/// Creates a console URL. The configuration's `[links.zenlayer]` limits its lifetime
/// and its uses.
pub(super) async fn describe_vnc_url(app: &App, request: &ActionRequest) -> Result<Response, ApiError> {
    // A malformed id is not found.
    let id = request.parameters.required("instanceId")?.parse().map_err(|_| Error::NotFound("instance"))?;
    let console = ConsoleRequest {
        kind: ConsoleKind::Page,
        rights: Rights::default(),
        ttl: None,
        uses: None,
        ends_after: None,
    };
    let opened =
        app.consoles.open_console(&request.call, &request.project.id.to_string(), &id, console).await?;
    // The URL has a single parameter, since Zenlayer's command line prints `&` as `\u0026`.
    let url = Shape::Query.url(app.public_url(), &opened.token);
    Ok(reply(&request.call.request, &VncUrl { url }))
}
