//! `GET /servers`, `/servers/detail`, `/servers/{id}`, `/servers/{id}/ips`

use axum::response::Response;
use serde_json::{Value, json};
use transom_model::instance::Instance;

use super::query::Query;
use super::server;
use super::visit::{Visit, ok};
use crate::openstack::fault::{About, Fault};
use transom_app::{Error, Page};

/// How many rows are looked at in one piece.
const PIECE: u32 = 500;
const ABOUT_LISTS: About<'_> =
    About { policy: "os_compute_api:servers:index", server: "", operation: "index" };

pub(super) async fn list(visit: &Visit<'_>, detail: bool) -> Result<Response, Fault> {
    let query = Query::read(&visit.asked.query, visit.microversion)?;
    let (found, more) = collect(visit, &query).await?;
    let servers: Vec<Value> = if detail {
        let noted = visit
            .asked
            .app
            .inventory
            .metadata(&found)
            .await
            .map_err(|error| Fault::of(error, ABOUT_LISTS))?;
        let noted = |instance: &Instance| noted.get(&instance.uid).cloned().unwrap_or_default();
        found.iter().map(|instance| server::detailed(visit, instance, &noted(instance))).collect()
    } else {
        found.iter().map(|instance| server::brief(visit, instance)).collect()
    };
    let mut body = json!({ "servers": servers });
    if let (true, Some(last)) = (more, found.last()) {
        let path = if detail { "servers/detail" } else { "servers" };
        let next = visit.link(&format!("{path}?{}", from(&visit.asked.query, last)));
        body["servers_links"] = json!([{ "rel": "next", "href": next }]);
    }
    Ok(ok(&body))
}

/// The query that goes on behind this instance.
fn from(query: &str, last: &Instance) -> String {
    let asked = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "marker");
    let mut next = url::form_urlencoded::Serializer::new(String::new());
    next.extend_pairs(asked).append_pair("marker", last.id.as_str()).finish()
}

/// The servers that are asked for, and whether there are more.
async fn collect(visit: &Visit<'_>, query: &Query) -> Result<(Vec<Instance>, bool), Fault> {
    let mut after = query.marker.clone();
    if let Some(marker) = &after {
        let known = find(visit, marker).await;
        known.map_err(|error| match error {
            Error::NotFound("instance") => Fault::bad_request(format!("marker [{marker}] not found")),
            other => Fault::of(other, ABOUT_LISTS),
        })?;
    }
    let mut found = Vec::new();
    loop {
        let page = after.as_ref().map_or_else(|| Page::first(PIECE), |last| Page::after(last, PIECE));
        let piece = visit.asked.app.inventory.instances(&visit.call, &visit.project, page).await;
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

pub(super) async fn one(visit: &Visit<'_>, id: &str) -> Result<Response, Fault> {
    let found = async {
        let instance = find(visit, id).await?;
        let metadata = visit.asked.app.inventory.metadata_of(&instance).await?;
        Ok(server::whole(visit, &instance, &metadata))
    };
    let server = found.await.map_err(|error| Fault::of(error, about(id)))?;
    Ok(ok(&json!({ "server": server })))
}

/// A server's addresses: of networks nothing is known here.
pub(super) async fn addresses(visit: &Visit<'_>, id: &str) -> Result<Response, Fault> {
    exists(visit, id).await?;
    Ok(ok(&json!({ "addresses": {} })))
}

/// Those in one network, which no server is in.
pub(super) async fn addresses_of(visit: &Visit<'_>, id: &str) -> Result<Response, Fault> {
    exists(visit, id).await?;
    Err(Fault::missing("Instance is not a member of specified network"))
}

fn about(server: &str) -> About<'_> {
    About { policy: "os_compute_api:servers:show", server, operation: "show" }
}

async fn exists(visit: &Visit<'_>, id: &str) -> Result<(), Fault> {
    find(visit, id).await.map(drop).map_err(|error| Fault::of(error, about(id)))
}

/// The instance of this id, in the caller's project.
pub(super) async fn find(visit: &Visit<'_>, id: &str) -> Result<Instance, Error> {
    let id = id.parse().map_err(|_| Error::NotFound("instance"))?;
    visit.asked.app.inventory.instance(&visit.call, &visit.project, &id).await
}
