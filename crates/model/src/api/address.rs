//! Bodies about cloud addresses.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use crate::access_key::AccessKeyId;
use crate::cloud::{Action, AddressRecord, Draft, PresenceChange, PresenceState, Reach};
#[cfg(feature = "openapi")]
use crate::cloud::{CloudAddress, GroupName};
use crate::member::{Member, null_as_missing};
#[cfg(feature = "openapi")]
use crate::schema;

/// A cloud address to be issued.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "NewAddress")]
pub struct NewAddressBody {
    /// The access key that it is for.
    pub key: String,
    /// What it does.
    pub action: Action,
    /// What people call it: up to 128 characters.
    pub name: Option<String>,
    /// The groups that a connect address is a member of.
    pub groups: Vec<String>,
    /// The groups that a listen address lets in.
    pub allow_groups: Vec<String>,
    /// The individual addresses that a listen address lets in.
    pub allow_addresses: Vec<String>,
}

/// A cloud address to be issued.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct NewAddress {
    /// The access key that it is for.
    #[cfg_attr(feature = "openapi", schema(value_type = AccessKeyId))]
    key: String,
    /// What it does.
    action: Action,
    /// What people call it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::AddressName>))]
    name: Option<String>,
    /// The groups that a connect address is a member of.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<GroupName>>, max_items = 16))]
    groups: Member<Vec<String>>,
    /// The groups that a listen address lets in. Without these and `allow_addresses`: every address of its key. Where this is
    /// null, the other names somebody.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<GroupName>>, max_items = 24))]
    allow_groups: Member<Vec<String>>,
    /// The individual addresses that a listen address lets in. Where this is null, `allow_groups` names somebody.
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

/// What to change about a cloud address: only what is named changes. An empty list clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "AddressChange")]
pub struct AddressChangeBody {
    /// What people call it: up to 128 characters; an empty name clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it does. With the other action it loses the lists of the one before.
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

/// What to change about a cloud address: only what is named changes. An empty list clears.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(super) struct AddressChange {
    /// What people call it; an empty name clears it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::AddressName>))]
    name: Option<String>,
    /// What it does. With the other action it loses the lists of the one before.
    #[serde(default)]
    action: Option<Action>,
    /// The groups that a connect address is a member of.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<GroupName>>, max_items = 16))]
    groups: Option<Vec<String>>,
    /// The groups that a listen address lets in. With `"action": "listen"`: where this is null, the other names somebody.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<GroupName>>, max_items = 24))]
    allow_groups: Member<Vec<String>>,
    /// The individual addresses that a listen address lets in. With `"action": "listen"`: where this is null, `allow_groups`
    /// names somebody.
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

/// `null` stands where it would let every address of the key in.
#[derive(Debug, thiserror::Error)]
#[error("{0}: must be a list, or missing: null would let in every address of the key")]
pub(super) struct NullOpens(&'static str);

/// Refuses `null` for who may connect, where nobody is named beside it.
fn refuse_null(groups: &Member<Vec<String>>, addresses: &Member<Vec<String>>) -> Result<(), NullOpens> {
    let names = |list: &Member<Vec<String>>| matches!(list, Member::Given(list) if !list.is_empty());
    match (groups.is_null(), addresses.is_null()) {
        _ if names(groups) || names(addresses) => Ok(()),
        (true, _) => Err(NullOpens("allow_groups")),
        (false, true) => Err(NullOpens("allow_addresses")),
        (false, false) => Ok(()),
    }
}

/// The document shows how the body is written, not what is made of it.
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

/// Where a cloud address is to go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressMoveBody {
    /// The access key.
    #[cfg_attr(feature = "openapi", schema(value_type = AccessKeyId))]
    pub to_key: String,
}

/// The key that consoles are to know a device by.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AcceptKeyBody {
    /// Its 64 hexadecimal digits. Without it, the key that the device shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Another machine that uses the same address in turn with the device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RivalBody {
    /// What it calls itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub host_name: Option<String>,
    /// Where it joined from.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub source: Option<String>,
    /// When the two were last seen to drive each other out.
    pub at: String,
}

/// A cloud address with its new password, which is shown this once.
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
    /// What people call it.
    pub name: Option<String>,
    /// The access key that it belongs to.
    pub key: String,
    /// The project's id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub project: String,
    /// What it does.
    pub action: Action,
    /// The groups that a connect address is a member of.
    pub groups: Vec<String>,
    /// The groups that a listen address lets in.
    pub allow_groups: Vec<String>,
    /// The individual addresses that a listen address lets in.
    pub allow_addresses: Vec<String>,
    /// Whether a listen address lets in every address of its key.
    pub open_to_key: bool,
    /// Rises with every change and every reset.
    pub version: u64,
    /// Whether a device is joined under it.
    pub online: bool,
    /// Of a device that is joined: since when. Else when one was last joined.
    #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
    pub last_seen: Option<String>,
    /// Where the device that joined last came from.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub source: Option<String>,
    /// What the machine of the agent that joined last calls itself. Null for an earlier agent, which does not say.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub host_name: Option<String>,
    /// Where that agent forwards to, `[NAME=]HOST:PORT` each, as it says: the first 8.
    pub targets: Vec<String>,
    /// The key that the device shows, 64 hexadecimal digits.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub device_key: Option<String>,
    /// The key by which consoles know it. A device that shows another one is refused to them until that is accepted.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub trusted_key: Option<String>,
    /// Since when another machine, or another key, is at the address than before.
    #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
    pub renewed_at: Option<String>,
    /// Another machine that has the same identity: the two drive each other out.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub rival: Option<RivalBody>,
    /// Whether a device may join by a repeater ticket, without its password.
    pub repeater_ticket: bool,
    /// Whether the agent that joined last takes nobody who could see what passes.
    pub end_to_end_only: bool,
    /// The agent that joined last, with its version: `transom 0.1.0`. Null before the first join, and for a device that speaks
    /// the repeater's protocol.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub agent_version: Option<String>,
    /// When it was issued.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub created_at: String,
    /// When it was last changed or reset.
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

/// How a device joins that speaks the UltraVNC repeater's protocol.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewTicketBody {
    /// Whether the ticket is a number, for software that takes nothing else (UltraVNC). A number can be guessed more easily.
    #[serde(default, deserialize_with = "null_as_missing")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>))]
    pub numeric: bool,
}

/// A repeater ticket, which is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TicketBody {
    /// The address.
    pub address: String,
    /// What the device's software sends behind `ID:`.
    pub ticket: String,
}

/// An ID by which a viewer that speaks the UltraVNC repeater's protocol opens a device once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ViewerIdBody {
    /// The address.
    pub address: String,
    /// What the viewer sends behind `ID:`.
    pub id: String,
    /// Until when.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub expires_at: String,
}

/// What became of an address's device.
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
    /// Whether a device is joined under it.
    pub state: PresenceState,
    /// Since when.
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
    fn null_opens_no_address_to_its_whole_key() {
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
