//! The OpenAPI 3.1 document of the API: utoipa's, and additions that utoipa cannot express.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

/// Returns the text of the document, as it is checked in.
pub(super) fn text(document: &Value) -> String {
    serde_json::to_string_pretty(document).map(|json| json + "\n").unwrap_or_default()
}

/// Returns the whole document, made from utoipa's.
pub(super) fn whole(described: &OpenApi) -> Value {
    let mut document = serde_json::to_value(described).unwrap_or_default();
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

/// The schema of one event of the stream, after parsing.
fn event() -> Value {
    json!({
        "type": "object",
        "description": "One event of the stream. The event `current` marks the end of the changes up to now; its `data` is `{}`.",
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

/// Adds members to a value, at every depth.
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

/// Rules between the members of a body, which its type cannot express.
fn rules() -> Vec<(&'static str, Value)> {
    let empty = json!({ "enum": [null, []] });
    let nonempty = json!({ "type": "array", "minItems": 1 });
    let list = json!({ "type": "array" });
    let cleared = json!({ "enum": [null, ""] });
    let connect = json!({
        "properties": { "action": { "const": "connect" }, "allow_groups": empty, "allow_addresses": empty },
        "required": ["action"],
    });
    // A null counts as a missing member, unless that would admit every address of the key.
    let listen = |groups: &Value, addresses: &Value, required: &[&str]| {
        json!({
            "properties": {
                "action": { "const": "listen" }, "groups": empty, "allow_groups": groups, "allow_addresses": addresses,
            },
            "required": required,
        })
    };
    let listening = [
        listen(&list, &list, &["action"]),
        listen(&nonempty, &json!({}), &["action", "allow_groups"]),
        listen(&json!({}), &nonempty, &["action", "allow_addresses"]),
    ];
    let unnamed = [
        json!({ "properties": { "action": { "type": "null" }, "groups": empty } }),
        json!({ "properties": { "action": { "type": "null" }, "allow_groups": empty, "allow_addresses": empty } }),
    ];
    let created = [&[connect.clone()][..], &listening].concat();
    let changed = [&unnamed[..], &[connect], &listening].concat();
    let one_trust = json!({ "anyOf": [{ "properties": { "ca": cleared } }, { "properties": { "fingerprint": cleared } }] });
    let web_socket = json!({ "type": "string", "pattern": "^wss?://" });
    let trusted = |member: &str| json!({ "properties": { member: { "type": "string", "minLength": 1 } }, "required": [member] });
    let new_instance = json!({ "allOf": [
        one_trust,
        { "anyOf": [{ "properties": { "certificate": cleared } }, trusted("ca"), trusted("fingerprint")] },
        { "anyOf": [{ "properties": { "headers": cleared } }, { "properties": { "endpoint": web_socket } }] },
    ] });
    vec![
        ("NewAddressBody", json!({ "anyOf": created })),
        ("AddressChangeBody", json!({ "anyOf": changed })),
        ("NewInstanceBody", new_instance.clone()),
        ("ImportedInstanceBody", new_instance),
        (
            "NewImportBody",
            json!({ "anyOf": [
                { "properties": { "prune": { "enum": [null, false] } } },
                { "properties": { "name": { "type": "string" } }, "required": ["name"] },
            ] }),
        ),
        ("NewEnrollmentsBody", json!({ "anyOf": enrollments() })),
        (
            "InstanceChangeBody",
            json!({ "allOf": [
                one_trust,
                { "anyOf": [
                    { "properties": { "headers": cleared } },
                    { "properties": { "endpoint": { "type": "null" } } },
                    { "properties": { "endpoint": web_socket } },
                ] },
                { "anyOf": [
                    { "properties": { "moved": { "enum": [null, false] } } },
                    { "properties": { "endpoint": { "type": "string" } }, "required": ["endpoint"] },
                ] },
            ] }),
        ),
    ]
}

/// The three ways to choose the devices that may enroll.
fn enrollments() -> [Value; 3] {
    let missing = json!({ "type": "null" });
    let key = json!({ "type": "string" });
    // A count is never null.
    let no_count = json!({ "not": { "required": ["count"] } });
    let counted = json!({ "properties": { "names": missing, "replace": missing, "key": key }, "required": ["count", "key"] });
    let mut named = json!({
        "properties": { "names": { "type": "array" }, "replace": missing, "key": key }, "required": ["names", "key"],
    });
    let mut replacing = json!({
        "properties": { "names": missing, "replace": { "type": "string" }, "allow_groups": { "maxItems": 0 } },
        "required": ["replace"],
    });
    add(&mut named, no_count.clone());
    add(&mut replacing, no_count);
    [counted, named, replacing]
}

/// A link of the document: a member of one answer is a parameter of another operation.
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
    list_projects 200:
        list_instances(project = "$response.body#/items/0/id");
    list_instances 200:
        open_console(project = "$response.body#/items/0/project", id = "$response.body#/items/0/id");
    create_project 201:
        list_instances(project = "$response.body#/id")
        create_instance(project = "$response.body#/id");
    create_instance 201:
        show_instance(project = "$response.body#/project", id = "$response.body#/id")
        change_instance(project = "$response.body#/project", id = "$response.body#/id")
        remove_instance(project = "$response.body#/project", id = "$response.body#/id")
        open_console(project = "$response.body#/project", id = "$response.body#/id");
    open_console 201:
        show_link(id = "$response.body#/link")
        report_link(id = "$response.body#/link")
        revoke_link(id = "$response.body#/link")
        revoke_and_report_link(id = "$response.body#/link");
    create_key 201:
        rotate_key(id = "$response.body#/id")
        retire_key_secret(id = "$response.body#/id")
        create_token(id = "$response.body#/id")
        revoke_key(id = "$response.body#/id");
    create_token 201:
        revoke_token(id = "$response.body#/id");
    rotate_key 200:
        retire_key_secret(id = "$response.body#/id");
    create_address 201:
        show_address(address = "$response.body#/cloudAddress")
        change_address(address = "$response.body#/cloudAddress")
        reset_address(address = "$response.body#/cloudAddress")
        accept_key(address = "$response.body#/cloudAddress")
        move_address(address = "$response.body#/cloudAddress")
        give_ticket(address = "$response.body#/cloudAddress")
        give_viewer_id(address = "$response.body#/cloudAddress")
        remove_address(address = "$response.body#/cloudAddress");
    give_ticket 201:
        revoke_ticket(address = "$response.body#/address");
    create_enrollments 201:
        revoke_enrollment(id = "$response.body#/items/0/id");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_every_link_leads_to_one() {
        let (_, described) = crate::native::documented().split_for_parts();
        let document = whole(&described);
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
