//! How a server reads, at each microversion.

use serde_json::{Map, Value, json};
use transom_model::instance::Instance;
use transom_model::metadata::Metadata;

use super::microversion::Microversion;
use super::visit::Visit;
use super::{flavors, status};

/// From here on a server tells what its flavor was, not which.
const EMBEDDED_FLAVOR: Microversion = Microversion(47);
/// From here on a server that is shown alone names its groups.
const SERVER_GROUPS: Microversion = Microversion(71);
/// As long as a label of a host name may be (RFC 1035 §2.3.4).
const LABEL: usize = 63;

/// What a list tells of a server.
pub(super) fn brief(visit: &Visit<'_>, instance: &Instance) -> Value {
    let path = format!("servers/{}", instance.id);
    json!({ "id": instance.id, "name": instance.name, "links": visit.links(&path) })
}

/// A server that is shown alone.
pub(super) fn whole(visit: &Visit<'_>, instance: &Instance, metadata: &Metadata) -> Value {
    let mut server = detailed(visit, instance, metadata);
    if visit.microversion >= SERVER_GROUPS {
        server["server_groups"] = json!([]);
    }
    server
}

/// What a list with details tells of a server.
pub(super) fn detailed(visit: &Visit<'_>, instance: &Instance, metadata: &Metadata) -> Value {
    let mut server = brief(visit, instance);
    let (vm_state, task_state) = status::states(instance.status);
    let flavor =
        if visit.microversion >= EMBEDDED_FLAVOR { flavors::embedded() } else { flavors::reference(visit) };
    let first = json!({
        "status": status::word(instance.status),
        "tenant_id": instance.project.to_string(),
        // Upstream's word where it does not know who made a server.
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
        server.extend(later(visit.microversion, instance));
    }
    server
}

/// What came with a microversion. Of most of it nothing is known here; a client that asks for it finds upstream's word for that.
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

/// The host name that Nova would have made of a server's name: what is not Latin has none, and the id stands for it.
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

/// Nova's times have no fractions.
fn seconds(time: &str) -> String {
    time.split_once('.').map_or_else(|| time.to_owned(), |(whole, _)| format!("{whole}Z"))
}
