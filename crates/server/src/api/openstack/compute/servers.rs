//! `GET /servers`, `/servers/detail`, `/servers/{id}`

use axum::response::Response;
use serde_json::{Value, json};
use transom_model::instance::Instance;

use super::query::Query;
use super::{Visit, flavors, ok, status};
use crate::api::openstack::fault::{About, Fault};
use crate::app::{Error, Page};

/// From here on a server tells what its flavor was, not which.
const EMBEDDED_FLAVOR: super::Microversion = super::Microversion(47);
/// How many rows are looked at in one piece.
const PIECE: u32 = 500;

pub(super) async fn list(visit: &Visit<'_>, detail: bool) -> Result<Response, Fault> {
    let query = Query::read(&visit.asked.query)?;
    let (found, more) = collect(visit, &query).await?;
    let servers: Vec<Value> = found
        .iter()
        .map(|instance| if detail { describe(visit, instance) } else { brief(visit, instance) })
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
    Ok(ok(&json!({ "server": describe(visit, &instance) })))
}

/// The instance of this id, in the caller's project.
async fn find(visit: &Visit<'_>, id: &str) -> Result<Instance, Error> {
    let id = id.parse().map_err(|_| Error::NotFound("instance"))?;
    visit.asked.app.instance(&visit.call, &visit.project, &id).await
}

fn brief(visit: &Visit<'_>, instance: &Instance) -> Value {
    let path = format!("servers/{}", instance.id);
    json!({ "id": instance.id, "name": instance.name, "links": visit.links(&path) })
}

fn describe(visit: &Visit<'_>, instance: &Instance) -> Value {
    let mut server = brief(visit, instance);
    let (vm_state, task_state) = status::states(instance.status);
    let flavor =
        if visit.microversion >= EMBEDDED_FLAVOR { flavors::embedded() } else { flavors::reference(visit) };
    let more = json!({
        "status": status::word(instance.status),
        "tenant_id": instance.project.to_string(),
        "user_id": "",
        "created": seconds(&instance.created_at.to_string()),
        "updated": seconds(&instance.updated_at.to_string()),
        "image": "",
        "flavor": flavor,
        "addresses": {},
        "metadata": {},
        "hostId": "",
        "accessIPv4": "",
        "accessIPv6": "",
        "key_name": null,
        "config_drive": "",
        "progress": 0,
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": "",
        "OS-EXT-STS:vm_state": vm_state,
        "OS-EXT-STS:task_state": task_state,
        "OS-EXT-STS:power_state": status::power(instance.status),
        "os-extended-volumes:volumes_attached": [],
    });
    if let (Value::Object(server), Value::Object(more)) = (&mut server, more) {
        server.extend(more);
    }
    server
}

/// Nova's times have no fractions.
fn seconds(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(whole, _)| format!("{whole}Z"))
}
