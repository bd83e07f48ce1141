//! `GET /servers`, `/servers/detail`, `/servers/{id}`, `/servers/{id}/ips`

use axum::response::Response;
use serde_json::{Value, json};
use transom_model::instance::Instance;

use super::context::{Context, ok};
use super::query::Query;
use super::server;
use crate::openstack::fault::{About, Fault};
use transom_app::{Error, Page};

/// The number of rows in one query of the database.
const PIECE: u32 = 500;
const ABOUT_LISTS: About<'_> =
    About { policy: "os_compute_api:servers:index", server: "", operation: "index" };

pub(super) async fn list(context: &Context<'_>, detail: bool) -> Result<Response, Fault> {
    let query = Query::read(&context.request.query, context.microversion)?;
    let (found, more) = collect(context, &query).await?;
    let servers: Vec<Value> = if detail {
        let noted = context
            .request
            .app
            .inventory
            .metadata(&found)
            .await
            .map_err(|error| Fault::of(error, ABOUT_LISTS))?;
        let noted = |instance: &Instance| noted.get(&instance.uid).cloned().unwrap_or_default();
        found.iter().map(|instance| server::detailed(context, instance, &noted(instance))).collect()
    } else {
        found.iter().map(|instance| server::brief(context, instance)).collect()
    };
    let mut body = json!({ "servers": servers });
    if let (true, Some(last)) = (more, found.last()) {
        let path = if detail { "servers/detail" } else { "servers" };
        let next = context.link(&format!("{path}?{}", from(&context.request.query, last)));
        body["servers_links"] = json!([{ "rel": "next", "href": next }]);
    }
    Ok(ok(&body))
}

/// Returns the query for the page after this instance.
fn from(query: &str, last: &Instance) -> String {
    let request = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "marker");
    let mut next = url::form_urlencoded::Serializer::new(String::new());
    next.extend_pairs(request).append_pair("marker", last.id.as_str()).finish()
}

/// Returns the requested servers, and whether more follow.
async fn collect(context: &Context<'_>, query: &Query) -> Result<(Vec<Instance>, bool), Fault> {
    let mut after = query.marker.clone();
    if let Some(marker) = &after {
        let known = find(context, marker).await;
        known.map_err(|error| match error {
            Error::NotFound("instance") => Fault::bad_request(format!("marker [{marker}] not found")),
            other => Fault::of(other, ABOUT_LISTS),
        })?;
    }
    let mut found = Vec::new();
    loop {
        let page = after.as_ref().map_or_else(|| Page::first(PIECE), |last| Page::after(last, PIECE));
        let piece = context.request.app.inventory.instances(&context.call, &context.project, page).await;
        let piece = piece.map_err(|error| Fault::of(error, ABOUT_LISTS))?;
        let last_piece = piece.len() < PIECE as usize;
        after = piece.last().map(|instance| instance.id.to_string());
        found.extend(piece.into_iter().filter(|instance| query.wants(instance)));
        if found.len() > query.limit || last_piece {
            let more = found.len() > query.limit;
            found.truncate(query.limit);
            return Ok((found, more));
        }
    }
}

pub(super) async fn one(context: &Context<'_>, id: &str) -> Result<Response, Fault> {
    let found = async {
        let instance = find(context, id).await?;
        let metadata = context.request.app.inventory.metadata_of(&instance).await?;
        Ok(server::whole(context, &instance, &metadata))
    };
    let server = found.await.map_err(|error| Fault::of(error, about(id)))?;
    Ok(ok(&json!({ "server": server })))
}

/// A server's addresses. The list is empty, since Transom does not know networks.
pub(super) async fn addresses(context: &Context<'_>, id: &str) -> Result<Response, Fault> {
    exists(context, id).await?;
    Ok(ok(&json!({ "addresses": {} })))
}

/// The addresses in one network. No server is a member of a network.
pub(super) async fn addresses_of(context: &Context<'_>, id: &str) -> Result<Response, Fault> {
    exists(context, id).await?;
    Err(Fault::missing("Instance is not a member of specified network"))
}

fn about(server: &str) -> About<'_> {
    About { policy: "os_compute_api:servers:show", server, operation: "show" }
}

async fn exists(context: &Context<'_>, id: &str) -> Result<(), Fault> {
    find(context, id).await.map(drop).map_err(|error| Fault::of(error, about(id)))
}

/// Finds the instance of this id in the caller's project.
pub(super) async fn find(context: &Context<'_>, id: &str) -> Result<Instance, Error> {
    let id = id.parse().map_err(|_| Error::NotFound("instance"))?;
    context.request.app.inventory.instance(&context.call, &context.project, &id).await
}
