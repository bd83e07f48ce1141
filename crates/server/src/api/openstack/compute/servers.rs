//! `GET /servers`, `/servers/detail`, `/servers/{id}`, `/servers/{id}/ips`, `/servers/{id}/metadata`

use axum::response::Response;
use serde_json::{Value, json};
use transom_model::instance::Instance;

use super::query::Query;
use super::{Visit, ok, server};
use crate::api::openstack::fault::{About, Fault};
use crate::app::{Error, Page};

/// How many rows are looked at in one piece.
const PIECE: u32 = 500;

pub(super) async fn list(visit: &Visit<'_>, detail: bool) -> Result<Response, Fault> {
    let query = Query::read(&visit.asked.query, visit.microversion)?;
    let (found, more) = collect(visit, &query).await?;
    let servers: Vec<Value> = found
        .iter()
        .map(
            |instance| {
                if detail { server::detailed(visit, instance) } else { server::brief(visit, instance) }
            },
        )
        .collect();
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
    let about = About { policy: "os_compute_api:servers:index", server: "", operation: "index" };
    let mut after = query.marker.clone();
    if let Some(marker) = &after {
        let known = find(visit, marker).await;
        known.map_err(|error| match error {
            Error::NotFound("instance") => Fault::bad_request(format!("marker [{marker}] not found")),
            other => Fault::of(other, about),
        })?;
    }
    let mut found = Vec::new();
    loop {
        let page = after.as_ref().map_or_else(|| Page::first(PIECE), |last| Page::after(last, PIECE));
        let piece = visit.asked.app.instances(&visit.call, &visit.project, page).await;
        let piece = piece.map_err(|error| Fault::of(error, about))?;
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
    let about = About { policy: "os_compute_api:servers:show", server: id, operation: "show" };
    let instance = find(visit, id).await.map_err(|error| Fault::of(error, about))?;
    Ok(ok(&json!({ "server": server::whole(visit, &instance) })))
}

/// A part of a server's description that may be asked for by itself. Of networks and metadata nothing is known here.
pub(super) async fn part(visit: &Visit<'_>, id: &str, name: &str) -> Result<Response, Fault> {
    exists(visit, id).await?;
    Ok(ok(&json!({ name: {} })))
}

/// An item of such a part: there is none.
pub(super) async fn no_part(visit: &Visit<'_>, id: &str, sentence: &str) -> Result<Response, Fault> {
    exists(visit, id).await?;
    Err(Fault::missing(sentence))
}

async fn exists(visit: &Visit<'_>, id: &str) -> Result<(), Fault> {
    let about = About { policy: "os_compute_api:servers:show", server: id, operation: "show" };
    find(visit, id).await.map(drop).map_err(|error| Fault::of(error, about))
}

/// The instance of this id, in the caller's project.
async fn find(visit: &Visit<'_>, id: &str) -> Result<Instance, Error> {
    let id = id.parse().map_err(|_| Error::NotFound("instance"))?;
    visit.asked.app.instance(&visit.call, &visit.project, &id).await
}
