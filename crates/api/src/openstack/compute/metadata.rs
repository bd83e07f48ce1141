//! `/servers/{id}/metadata`: `GET`, `POST` (add), `PUT` (replace all), and
//! `/servers/{id}/metadata/{key}`: `GET`, `PUT`, `DELETE`

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use transom_model::access_key::Role;
use transom_model::metadata::{Metadata, Unfit};

use super::context::{Context, ok};
use super::{schema, servers};
use crate::openstack::body;
use crate::openstack::fault::{About, Fault};
use crate::openstack::python::{display, quoted};
use transom_app::Error;
use transom_app::inventory::metadata::{MetadataChange, Noted};
use transom_http::limits::BODY;

/// Nova's pattern of metadata keys, as its sentences show it.
const KEYS: &str = "'^[a-zA-Z0-9-_:. ]{1,255}$'";

/// Answers a request about all metadata of a server.
pub(super) async fn all(
    context: &Context<'_>,
    policy: &'static str,
    id: &str,
    body: Body,
) -> Result<Response, Fault> {
    let change: fn(Metadata) -> MetadataChange = match context.request.method {
        Method::GET => return Ok(ok(&json!({ "metadata": noted(context, id, policy).await? }))),
        Method::POST => MetadataChange::Merge,
        Method::PUT => MetadataChange::Replace,
        _ => return Err(Fault::bad_method("GET, HEAD, POST, PUT")),
    };
    let body = body::read(&context.request.headers, body, BODY).await?;
    let change = change(read("metadata", &body)?);
    Ok(ok(&json!({ "metadata": write(context, id, policy, change).await? })))
}

/// Answers a request about one item.
pub(super) async fn item(
    context: &Context<'_>,
    policy: &'static str,
    (id, key): (&str, &str),
    body: Body,
) -> Result<Response, Fault> {
    match context.request.method {
        Method::GET => {
            let noted = noted(context, id, policy).await?;
            let value = noted.get(key).ok_or_else(no_item)?;
            Ok(ok(&json!({ "meta": { key: value } })))
        }
        Method::PUT => {
            let body = body::read(&context.request.headers, body, BODY).await?;
            let meta = one(&body)?;
            if meta.get(key).is_none() {
                return Err(Fault::bad_request("Request body and URI mismatch"));
            }
            let answer = ok(&json!({ "meta": meta }));
            write(context, id, policy, MetadataChange::Merge(meta)).await?;
            Ok(answer)
        }
        Method::DELETE => {
            write(context, id, policy, MetadataChange::Remove(key.to_owned())).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Fault::bad_method("GET, HEAD, PUT, DELETE")),
    }
}

/// Returns the refusals of a body, read as all of the metadata and as a single item.
pub(super) fn read_anywhere(body: &Value) -> Vec<Fault> {
    [read("metadata", body).err(), one(body).err()].into_iter().flatten().collect()
}

async fn noted(context: &Context<'_>, id: &str, policy: &'static str) -> Result<Metadata, Fault> {
    let found = async {
        let instance = servers::find(context, id).await?;
        context.request.app.inventory.metadata_of(&instance).await
    };
    found.await.map_err(|error| Fault::of(error, About { policy, server: id, operation: "show" }))
}

/// Changes the metadata, and returns it after the change.
async fn write(
    context: &Context<'_>,
    id: &str,
    policy: &'static str,
    change: MetadataChange,
) -> Result<Metadata, Fault> {
    let operation = match change {
        MetadataChange::Remove(_) => "delete metadata",
        MetadataChange::Merge(_) | MetadataChange::Replace(_) => "update metadata",
    };
    let about = About { policy, server: id, operation };
    let changed = async {
        // A reader is refused, whether or not the server exists.
        context.call.caller.need(Role::Member)?;
        let instance = id.parse().map_err(|_| Error::NotFound("instance"))?;
        let which = (context.project.as_str(), &instance);
        context.request.app.inventory.change_metadata(&context.call, which, change).await
    };
    match changed.await.map_err(|error| Fault::of(error, about))? {
        Noted::Now(metadata) => Ok(metadata),
        Noted::Full => {
            Err(Fault::forbidden(format!("Maximum number of metadata items exceeds {}", Metadata::ITEMS)))
        }
        Noted::NoItem => Err(no_item()),
        Noted::NoInstance => Err(Fault::of(Error::NotFound("instance"), about)),
    }
}

fn no_item() -> Fault {
    Fault::missing("Metadata item was not found")
}

/// Reads the metadata in a body: an object of strings, as the only member, with this name.
fn read(name: &'static str, body: &Value) -> Result<Metadata, Fault> {
    let value = schema::only_member(body, name)?;
    let mut metadata = Metadata::default();
    for (key, note) in schema::object(name, value)? {
        if !Metadata::takes_key(key) {
            let sentence = format!(
                "{} does not match any of the regexes: {KEYS}",
                quoted(&display(&key.as_str().into()))
            );
            return Err(schema::wrong(name, value, &sentence, &Unfit::Key.to_string()));
        }
        let text = schema::text(key, note)?;
        metadata.note(key, text).map_err(|unfit| {
            let sentence = format!("{} is too long", quoted(&display(note)));
            schema::wrong(key, note, &sentence, &unfit.to_string())
        })?;
    }
    Ok(metadata)
}

/// Reads the single item in a body.
fn one(body: &Value) -> Result<Metadata, Fault> {
    let meta = read("meta", body)?;
    let problem = match meta.len() {
        0 => "should be non-empty",
        1 => return Ok(meta),
        _ => "has too many properties",
    };
    let value = &body["meta"];
    Err(schema::wrong("meta", value, &format!("{} {problem}", display(value)), problem))
}
