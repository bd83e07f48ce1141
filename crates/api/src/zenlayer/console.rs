//! `DescribeVncUrl`

use axum::response::Response;
use serde::Serialize;
use transom_model::grant::{ConsoleKind, Dialect, Rights};

use super::asked::Asked;
use super::fault::Fault;
use super::reply::reply;
use transom_app::consoles::console_url::Shape;
use transom_app::consoles::open::ConsoleRequest;
use transom_app::{App, Error};

#[derive(Serialize)]
struct VncUrl {
    url: String,
}

/// Makes a console URL. How long and how often it opens is the configuration's `[links.zenlayer]`.
pub(super) async fn describe_vnc_url(app: &App, asked: &Asked) -> Result<Response, Fault> {
    // What is no id of ours names nothing.
    let id = asked.parameters.required("instanceId")?.parse().map_err(|_| Error::NotFound("instance"))?;
    let request = ConsoleRequest {
        dialect: Dialect::Zenlayer,
        kind: ConsoleKind::Page,
        rights: Rights::default(),
        ttl: None,
        uses: None,
        ends_after: None,
    };
    let opened = app.consoles.open_console(&asked.call, &asked.project.id.to_string(), &id, request).await?;
    // One parameter alone: the vendor's command line prints `&` as `\u0026`.
    let url = Shape::Query.url(app.public_url(), &opened.token);
    Ok(reply(&asked.call.request, &VncUrl { url }))
}
