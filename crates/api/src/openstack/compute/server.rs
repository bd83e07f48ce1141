//! The form of a server at each microversion.

use serde_json::{Map, Value, json};
use transom_model::instance::Instance;
use transom_model::metadata::Metadata;

use super::context::Context;
use super::microversion::Microversion;
use super::{flavors, status};

/// The first microversion in which a server embeds its flavor instead of a reference.
const EMBEDDED_FLAVOR: Microversion = Microversion(47);
/// The first microversion in which a single server names its groups.
const SERVER_GROUPS: Microversion = Microversion(71);
/// The maximum length of a label in a host name (RFC 1035 §2.3.4).
const LABEL: usize = 63;

/// A server in a list.
pub(super) fn brief(context: &Context<'_>, instance: &Instance) -> Value {
    let path = format!("servers/{}", instance.id);
    json!({ "id": instance.id, "name": instance.name, "links": context.links(&path) })
}

/// A server as the answer to a request for it alone.
pub(super) fn whole(context: &Context<'_>, instance: &Instance, metadata: &Metadata) -> Value {
    let mut server = detailed(context, instance, metadata);
    if context.microversion >= SERVER_GROUPS {
        server["server_groups"] = json!([]);
    }
    server
}

/// A server in a list with details.
pub(super) fn detailed(context: &Context<'_>, instance: &Instance, metadata: &Metadata) -> Value {
    let mut server = brief(context, instance);
    let (vm_state, task_state) = status::states(instance.status);
    let flavor = if context.microversion >= EMBEDDED_FLAVOR {
        flavors::embedded()
    } else {
        flavors::reference(context)
    };
    let first = json!({
        "status": status::word(instance.status),
        "tenant_id": instance.project.to_string(),
        // Nova uses this word for an unknown creator.
        "user_id": "UNKNOWN",
        "created": seconds(&instance.created_at.to_string()),
        "updated": seconds(&instance.updated_at.to_string()),
        "image": "",
        "flavor": flavor,
        "addresses": {},
        "metadata": metadata,
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
        "OS-SRV-USG:launched_at": null,
        "OS-SRV-USG:terminated_at": null,
        "os-extended-volumes:volumes_attached": [],
    });
    if let (Value::Object(server), Value::Object(first)) = (&mut server, first) {
        server.extend(first);
        server.extend(later(context.microversion, instance));
    }
    server
}

/// Returns the members that came with later microversions. Transom knows few of their values. The
/// others have Nova's word for an unknown value.
fn later(microversion: Microversion, instance: &Instance) -> Map<String, Value> {
    let members = [
        (9, "locked", json!(false)),
        (19, "description", Value::Null),
        (26, "tags", json!([])),
        (63, "trusted_image_certificates", Value::Null),
        (73, "locked_reason", Value::Null),
        (90, "OS-EXT-SRV-ATTR:hostname", hostname(instance).into()),
        (96, "pinned_availability_zone", Value::Null),
        (100, "scheduler_hints", json!({})),
    ];
    let members = members.into_iter().filter(|(since, ..)| microversion >= Microversion(*since));
    members.map(|(_, name, value)| (name.to_owned(), value)).collect()
}

/// Returns the host name that Nova would derive from a server's name. A name without Latin letters
/// yields none, and the id takes its place.
fn hostname(instance: &Instance) -> String {
    let of = |name: &str| {
        let mut label = String::new();
        for c in name.chars() {
            match c {
                '_' | ' ' if label.ends_with('-') => {}
                '_' | ' ' => label.push('-'),
                c if c.is_ascii_alphanumeric() || c == '-' || c == '.' => label.push(c.to_ascii_lowercase()),
                _ => {}
            }
        }
        label.truncate(LABEL);
        label.trim_matches(['-', '.']).to_owned()
    };
    let label = of(&instance.name);
    if label.is_empty() { of(instance.id.as_str()) } else { label }
}

/// A time without fractions, as Nova writes it.
fn seconds(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(whole, _)| format!("{whole}Z"))
}
