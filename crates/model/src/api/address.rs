//! The native API's bodies for cloud addresses.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use crate::access_key::AccessKeyId;
use crate::cloud::{Action, AddressRecord, Draft, PresenceChange, PresenceState, Reach};
#[cfg(feature = "openapi")]
use crate::cloud::{CloudAddress, GroupName};
use crate::member::{Member, null_as_missing};
#[cfg(feature = "openapi")]
use crate::schema;

/// A request for a new cloud address.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "NewAddress")]
pub struct NewAddressBody {
    /// The access key that will own it.
    pub key: String,
    /// The address's role.
    pub action: Action,
    /// The display name, up to 128 characters.
    pub name: Option<String>,
    /// The groups that a connect address is a member of.
    pub groups: Vec<String>,
    /// The groups that a listen address lets in.
    pub allow_groups: Vec<String>,
    /// The individual addresses that a listen address lets in.
    pub allow_addresses: Vec<String>,
}

/// A request for a new cloud address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct NewAddress {
    /// The access key that will own it.
    #[cfg_attr(feature = "openapi", schema(value_type = AccessKeyId))]
    key: String,
    /// The address's role.
    action: Action,
    /// The display name.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::AddressName>))]
    name: Option<String>,
    /// The groups that a connect address is a member of.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<GroupName>>, max_items = 16))]
    groups: Member<Vec<String>>,
    /// The groups that a listen address lets in. Without this list and `allow_addresses`, it lets
    /// in every address of its key. A null is accepted only if `allow_addresses` names an address.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<GroupName>>, max_items = 24))]
    allow_groups: Member<Vec<String>>,
    /// The individual addresses that a listen address lets in. A null is accepted only if
    /// `allow_groups` names a group.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<CloudAddress>>, max_items = 8))]
    allow_addresses: Member<Vec<String>>,
}

impl TryFrom<NewAddress> for NewAddressBody {
    type Error = NullOpens;
    fn try_from(new: NewAddress) -> Result<Self, NullOpens> {
        let NewAddress { key, action, name, groups, allow_groups, allow_addresses } = new;
        if action == Action::Listen {
            refuse_null(&allow_groups, &allow_addresses)?;
        }
        let list = |member: Member<Vec<String>>| member.given().unwrap_or_default();
        Ok(Self {
            key,
            action,
            name,
            groups: list(groups),
            allow_groups: list(allow_groups),
            allow_addresses: list(allow_addresses),
        })
    }
}

/// A change of a cloud address. Absent members stay unchanged; an empty list clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "AddressChange")]
pub struct AddressChangeBody {
    /// The display name, up to 128 characters. An empty name clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address's role. A different role clears the lists of the previous one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// The groups that a connect address is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// The groups that a listen address lets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_groups: Option<Vec<String>>,
    /// The individual addresses that a listen address lets in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_addresses: Option<Vec<String>>,
}

/// A change of a cloud address. Absent members stay unchanged; an empty list clears.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct AddressChange {
    /// The display name. An empty name clears it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::AddressName>))]
    name: Option<String>,
    /// The address's role. A different role clears the lists of the previous one.
    #[serde(default)]
    action: Option<Action>,
    /// The groups that a connect address is a member of.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<GroupName>>, max_items = 16))]
    groups: Option<Vec<String>>,
    /// The groups that a listen address lets in. With `"action": "listen"`, a null is accepted only
    /// if `allow_addresses` names an address.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<GroupName>>, max_items = 24))]
    allow_groups: Member<Vec<String>>,
    /// The individual addresses that a listen address lets in. With `"action": "listen"`, a null is
    /// accepted only if `allow_groups` names a group.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<CloudAddress>>, max_items = 8))]
    allow_addresses: Member<Vec<String>>,
}

impl TryFrom<AddressChange> for AddressChangeBody {
    type Error = NullOpens;
    fn try_from(change: AddressChange) -> Result<Self, NullOpens> {
        let AddressChange { name, action, groups, allow_groups, allow_addresses } = change;
        if action == Some(Action::Listen) {
            refuse_null(&allow_groups, &allow_addresses)?;
        }
        let (allow_groups, allow_addresses) = (allow_groups.given(), allow_addresses.given());
        Ok(Self { name, action, groups, allow_groups, allow_addresses })
    }
}

/// The error for a `null` that would let in every address of the key.
#[derive(Debug, thiserror::Error)]
#[error("{0}: must be a list or absent, because null would let in every address of the key")]
pub(super) struct NullOpens(&'static str);

/// Refuses a `null` list of permitted connectors unless the other list names one.
fn refuse_null(groups: &Member<Vec<String>>, addresses: &Member<Vec<String>>) -> Result<(), NullOpens> {
    let names = |list: &Member<Vec<String>>| matches!(list, Member::Given(list) if !list.is_empty());
    match (groups.is_null(), addresses.is_null()) {
        _ if names(groups) || names(addresses) => Ok(()),
        (true, _) => Err(NullOpens("allow_groups")),
        (false, true) => Err(NullOpens("allow_addresses")),
        (false, false) => Ok(()),
    }
}

/// Gives a parsed body the schema of the type that it is parsed from.
#[cfg(feature = "openapi")]
macro_rules! written_as {
    ($($body:ty = $written:ty;)+) => {$(
        impl utoipa::PartialSchema for $body {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                <$written>::schema()
            }
        }
        impl utoipa::ToSchema for $body {
            fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
                <$written as utoipa::ToSchema>::schemas(schemas);
            }
        }
    )+};
}

#[cfg(feature = "openapi")]
written_as! {
    NewAddressBody = NewAddress;
    AddressChangeBody = AddressChange;
}

/// The destination of a cloud address that moves to another access key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressMoveBody {
    /// The access key that will own it.
    #[cfg_attr(feature = "openapi", schema(value_type = AccessKeyId))]
    pub to_key: String,
}

/// The device key that consoles will trust.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AcceptKeyBody {
    /// The 64 hexadecimal digits of the key. When absent, the key that the device presents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::DeviceKey>))]
    pub key: Option<String>,
}

/// A second machine that uses the same address alternately with the device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RivalBody {
    /// The machine's own name.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub host_name: Option<String>,
    /// The address from which it joined.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub source: Option<String>,
    /// The last time that one of the two displaced the other.
    pub at: String,
}

/// A cloud address and its new password, which is shown only once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressSecretBody {
    /// The address.
    pub cloud_address: String,
    /// The password.
    pub cloud_password: String,
}

/// A cloud address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressBody {
    /// The address.
    pub address: String,
    /// The display name.
    pub name: Option<String>,
    /// The access key that it belongs to.
    pub key: String,
    /// The project's id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub project: String,
    /// The address's role.
    pub action: Action,
    /// The groups that a connect address is a member of.
    pub groups: Vec<String>,
    /// The groups that a listen address lets in.
    pub allow_groups: Vec<String>,
    /// The individual addresses that a listen address lets in.
    pub allow_addresses: Vec<String>,
    /// True if a listen address lets in every address of its key.
    pub open_to_key: bool,
    /// The version, which increases with every change and every reset.
    pub version: u64,
    /// True while a device is joined under the address.
    pub online: bool,
    /// The time of the latest join while a device is joined, otherwise the time at which the last
    /// device left.
    #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
    pub last_seen: Option<String>,
    /// The address from which the latest device joined.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub source: Option<String>,
    /// The host name that the latest agent reported. Null for an agent that does not report one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub host_name: Option<String>,
    /// The targets of the latest agent as it reported them, `[NAME=]HOST:PORT` each; the first 8.
    pub targets: Vec<String>,
    /// The key that the device presents, as 64 hexadecimal digits.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub device_key: Option<String>,
    /// The key that consoles trust. Consoles refuse a device that presents another key until that
    /// key is accepted.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub trusted_key: Option<String>,
    /// The time at which another machine, or another key, took over the address.
    #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
    pub renewed_at: Option<String>,
    /// Another machine with the same identity. The two displace each other.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub rival: Option<RivalBody>,
    /// True if a device may join by a repeater ticket instead of the password.
    pub repeater_ticket: bool,
    /// True if the latest agent accepts only end-to-end encrypted sessions.
    pub end_to_end_only: bool,
    /// The name and version of the latest agent, such as `transom 0.1.0`. Null before the first
    /// join, and for a device that speaks the repeater's protocol.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub agent_version: Option<String>,
    /// The time of issue.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub created_at: String,
    /// The time of the latest change or reset.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub changed_at: String,
}

impl From<AddressRecord> for AddressBody {
    fn from(record: AddressRecord) -> Self {
        let open_to_key = record.reach == Reach::Listen { access: None };
        let Draft { groups, access, .. } = Draft::from(&record.reach);
        let access = access.unwrap_or_default();
        let addresses = access.addresses.unwrap_or_default();
        Self {
            address: record.address.to_string(),
            name: record.name,
            key: record.key.to_string(),
            project: record.project.to_string(),
            action: record.reach.action(),
            groups: groups.unwrap_or_default(),
            allow_groups: access.groups.unwrap_or_default(),
            allow_addresses: addresses.iter().map(ToString::to_string).collect(),
            open_to_key,
            version: record.version,
            online: record.presence.node.is_some(),
            last_seen: record.presence.last_seen.map(|at| at.to_string()),
            source: record.device.source.map(|source| source.to_string()),
            host_name: record.device.host_name,
            targets: record.device.targets,
            device_key: record.device.key,
            trusted_key: record.device.trusted_key,
            renewed_at: record.device.renewed_at.map(|at| at.to_string()),
            rival: record.device.rival.map(|rival| RivalBody {
                host_name: rival.host_name,
                source: rival.source.map(|source| source.to_string()),
                at: rival.at.to_string(),
            }),
            repeater_ticket: record.repeater_ticket.is_some(),
            end_to_end_only: record.end_to_end_only,
            agent_version: record.device.program,
            created_at: record.created_at.to_string(),
            changed_at: record.changed_at.to_string(),
        }
    }
}

/// A request for a repeater ticket, with which a device joins that speaks the UltraVNC repeater's
/// protocol.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewTicketBody {
    /// Makes the ticket a number, for software that accepts only numbers (UltraVNC). A number is
    /// easier to guess.
    #[serde(default, deserialize_with = "null_as_missing")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>))]
    pub numeric: bool,
}

/// A repeater ticket, which is shown only once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TicketBody {
    /// The address.
    pub address: String,
    /// The text that the device's software sends after `ID:`.
    pub ticket: String,
}

/// A one-time ID with which a viewer that speaks the UltraVNC repeater's protocol opens a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ViewerIdBody {
    /// The address.
    pub address: String,
    /// The text that the viewer sends after `ID:`.
    pub id: String,
    /// The time of expiry.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub expires_at: String,
}

/// A change of a device's presence at an address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PresenceBody {
    /// The address.
    pub address: String,
    /// The access key that it belongs to.
    pub key: String,
    /// The project's id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub project: String,
    /// The device's presence.
    pub state: PresenceState,
    /// The time of the change.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub at: String,
}

impl From<PresenceChange> for PresenceBody {
    fn from(change: PresenceChange) -> Self {
        Self {
            address: change.address.to_string(),
            key: change.key.to_string(),
            project: change.project.to_string(),
            state: change.state,
            at: change.at.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_does_not_open_an_address_to_its_whole_key() {
        let taken = |rest: &str| {
            let new = format!(r#"{{"key": "k", "action": {rest}}}"#);
            let change = format!(r#"{{"action": {rest}}}"#);
            let both = (
                serde_json::from_str::<NewAddressBody>(&new),
                serde_json::from_str::<AddressChangeBody>(&change),
            );
            assert_eq!(both.0.is_ok(), both.1.is_ok(), "{rest}");
            both.0.is_ok()
        };
        for rest in [
            r#""listen""#,
            r#""listen", "groups": null"#,
            r#""listen", "allow_groups": ["a"], "allow_addresses": null"#,
            r#""listen", "allow_groups": null, "allow_addresses": ["a"]"#,
            r#""connect", "groups": null, "allow_groups": null, "allow_addresses": null"#,
        ] {
            assert!(taken(rest), "{rest}");
        }
        for rest in [
            r#""listen", "allow_groups": null"#,
            r#""listen", "allow_addresses": null"#,
            r#""listen", "allow_groups": [], "allow_addresses": null"#,
            r#""listen", "allow_groups": [null]"#,
            "null",
        ] {
            // A change need not name an action.
            assert!(rest == "null" || !taken(rest), "{rest}");
        }
    }
}
