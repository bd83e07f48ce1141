//! The API's document (OpenAPI 3.1): what utoipa gathers from the handlers, what it cannot say, and what is held by it.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::MatchedPath;
use http::Method;
use http::request::Parts;
use serde_json::{Map, Value, json};

use crate::app::Error;

/// The members that each operation's query may have, by method and path, as the document names them.
static QUERIES: LazyLock<HashMap<String, Vec<String>>> = LazyLock::new(|| {
    let mut queries = HashMap::new();
    let document = whole();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let names = parameters.filter(|parameter| parameter["in"] == "query");
            let names = names.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned));
            queries.insert(format!("{method} {path}"), names.collect());
        }
    }
    queries
});

/// Refuses members of a query that the operation does not have: a filter with a typo would otherwise show everything.
pub(super) fn check_query(parts: &Parts) -> Result<(), Error> {
    let Some(query) = parts.uri.query() else { return Ok(()) };
    let Some(path) = parts.extensions.get::<MatchedPath>() else { return Ok(()) };
    // HEAD is GET without a body.
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
    let operation = format!("{} {}", method.as_str().to_ascii_lowercase(), path.as_str());
    let known = QUERIES.get(&operation).map_or(&[][..], Vec::as_slice);
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        if !known.iter().any(|known| *known == name) {
            let wanted = if known.is_empty() {
                "none is taken".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            return Err(Error::Malformed(format!("the query has a member that is unknown here: {wanted}")));
        }
    }
    Ok(())
}

/// The whole document.
pub(super) fn whole() -> Value {
    let mut document = serde_json::to_value(super::described()).unwrap_or_default();
    for (name, rule) in rules() {
        add(&mut document["components"]["schemas"][name], rule);
    }
    let following = &mut document["paths"]["/api/v1/presence"]["get"];
    following["responses"]["200"]["content"]["text/event-stream"]["schema"] = event();
    let parameters = following["parameters"].as_array_mut().into_iter().flatten();
    for parameter in parameters.filter(|parameter| parameter["in"] == "header") {
        parameter["schema"] = json!({ "type": "integer", "format": "int64", "minimum": 0 });
    }
    for Link { from, status, name, to, parameters } in LINKS {
        let Some(response) = response(&mut document, from, status) else { continue };
        let parameters: Map<String, Value> =
            parameters.iter().map(|(parameter, from)| ((*parameter).to_owned(), json!(from))).collect();
        add(response, json!({ "links": { *name: { "operationId": to, "parameters": parameters } } }));
    }
    document
}

/// One event of the stream, as it is parsed.
fn event() -> Value {
    json!({
        "type": "object",
        "description": "One event of the stream. `current` says that everything up to now was told; its `data` is `{}`.",
        "properties": {
            "event": { "type": "string", "enum": ["presence", "current"] },
            "id": { "type": "string", "pattern": "^[0-9]+$" },
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": { "anyOf": [{ "$ref": "#/components/schemas/PresenceBody" }, { "maxProperties": 0 }] },
            },
            "retry": { "type": "integer" },
        },
        "required": ["event", "id", "data"],
    })
}

/// Puts members beside those that are there, at every depth.
fn add(to: &mut Value, more: Value) {
    match (to, more) {
        (Value::Object(to), Value::Object(more)) => {
            for (name, value) in more {
                add(to.entry(name).or_insert(Value::Null), value);
            }
        }
        (to, more) => *to = more,
    }
}

fn response<'a>(document: &'a mut Value, operation: &str, status: &str) -> Option<&'a mut Value> {
    let paths = document["paths"].as_object_mut()?.values_mut();
    let mut operations = paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    let found = operations.find(|found| found["operationId"] == operation)?;
    found["responses"].get_mut(status)
}

/// Rules between the members of a body, which its type cannot say.
fn rules() -> Vec<(&'static str, Value)> {
    let nobody = json!({ "enum": [null, []] });
    let somebody = json!({ "type": "array", "minItems": 1 });
    let list = json!({ "type": "array" });
    let cleared = json!({ "enum": [null, ""] });
    let connect = json!({
        "properties": { "action": { "const": "connect" }, "allow_groups": nobody, "allow_addresses": nobody },
        "required": ["action"],
    });
    // Null is as if it were missing, unless every address of the key would be let in by that.
    let listen = |groups: &Value, addresses: &Value, required: &[&str]| {
        json!({
            "properties": {
                "action": { "const": "listen" }, "groups": nobody, "allow_groups": groups, "allow_addresses": addresses,
            },
            "required": required,
        })
    };
    let listening = [
        listen(&list, &list, &["action"]),
        listen(&somebody, &json!({}), &["action", "allow_groups"]),
        listen(&json!({}), &somebody, &["action", "allow_addresses"]),
    ];
    let unnamed = json!({ "properties": { "action": { "type": "null" } } });
    let created = [&[connect.clone()][..], &listening].concat();
    let changed = [&[unnamed, connect][..], &listening].concat();
    let one_trust = json!({ "anyOf": [{ "properties": { "ca": cleared } }, { "properties": { "fingerprint": cleared } }] });
    let trusted = |member: &str| json!({ "properties": { member: { "type": "string", "minLength": 1 } }, "required": [member] });
    vec![
        ("NewAddressBody", json!({ "anyOf": created })),
        ("AddressChangeBody", json!({ "anyOf": changed })),
        (
            "NewInstanceBody",
            json!({ "allOf": [
                one_trust,
                { "anyOf": [{ "properties": { "certificate": cleared } }, trusted("ca"), trusted("fingerprint")] },
            ] }),
        ),
        (
            "InstanceChangeBody",
            json!({ "allOf": [
                one_trust,
                { "anyOf": [
                    { "properties": { "moved": { "enum": [null, false] } } },
                    { "properties": { "endpoint": { "type": "string" } }, "required": ["endpoint"] },
                ] },
            ] }),
        ),
    ]
}

/// What an answer holds that another operation wants.
struct Link {
    from: &'static str,
    status: &'static str,
    name: &'static str,
    to: &'static str,
    parameters: &'static [(&'static str, &'static str)],
}

macro_rules! links {
    ($($from:ident $status:literal: $($to:ident($($parameter:ident = $value:literal),*))+;)+) => {
        const LINKS: &[Link] = &[$($(Link {
            from: stringify!($from),
            status: stringify!($status),
            name: stringify!($to),
            to: stringify!($to),
            parameters: &[$((stringify!($parameter), $value)),*],
        },)+)+];
    };
}

links! {
    create_project 201:
        list_instances(project = "$response.body#/id")
        create_instance(project = "$response.body#/id");
    create_instance 201:
        show_instance(project = "$response.body#/project", id = "$response.body#/id")
        change_instance(project = "$response.body#/project", id = "$response.body#/id")
        remove_instance(project = "$response.body#/project", id = "$response.body#/id")
        open_console(project = "$response.body#/project", id = "$response.body#/id");
    open_console 201:
        show_grant(id = "$response.body#/grant")
        report_grant(id = "$response.body#/grant")
        revoke_grant(id = "$response.body#/grant")
        revoke_and_report_grant(id = "$response.body#/grant");
    create_key 201:
        rotate_key(id = "$response.body#/id")
        retire_key_secret(id = "$response.body#/id")
        create_token(id = "$response.body#/id")
        revoke_key(id = "$response.body#/id");
    rotate_key 200:
        retire_key_secret(id = "$response.body#/id");
    create_address 201:
        show_address(address = "$response.body#/cloudAddress")
        change_address(address = "$response.body#/cloudAddress")
        reset_address(address = "$response.body#/cloudAddress")
        move_address(address = "$response.body#/cloudAddress")
        give_ticket(address = "$response.body#/cloudAddress")
        give_viewer_id(address = "$response.body#/cloudAddress")
        remove_address(address = "$response.body#/cloudAddress");
    give_ticket 201:
        revoke_ticket(address = "$response.body#/address");
    create_enrolments 201:
        revoke_enrolment(id = "$response.body#/items/0/id");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_every_link_leads_to_one() {
        let document = whole();
        let mut names = Vec::new();
        for operations in document["paths"].as_object().expect("paths").values() {
            names.extend(
                operations.as_object().expect("operations").values().map(|one| one["operationId"].clone()),
            );
        }
        let all = names.len();
        names.sort_by_key(Value::to_string);
        names.dedup();
        assert_eq!(names.len(), all, "two operations have one name");
        for link in LINKS {
            assert!(names.contains(&json!(link.to)), "{}", link.to);
            let told = response(&mut document.clone(), link.from, link.status)
                .map(|found| found["links"][link.name].clone());
            assert!(
                told.is_some_and(|told| told.is_object()),
                "{} {} has no link {}",
                link.from,
                link.status,
                link.name
            );
        }
    }
}
