//! Bodies about cloud addresses.

use serde::{Deserialize, Serialize};

use crate::cloud::{Action, AddressRecord, Draft, PresenceChange, PresenceState, Reach};

/// A cloud address to be issued.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewAddressBody {
    /// The access key that it is for.
    pub key: String,
    /// What it does.
    pub action: Action,
    /// What people call it: up to 128 characters.
    #[serde(default)]
    pub name: Option<String>,
    /// The groups that a connect address is a member of.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The groups that a listen address lets in. Without these and `allow_addresses`: every address of its key.
    #[serde(default)]
    pub allow_groups: Vec<String>,
    /// The individual addresses that a listen address lets in.
    #[serde(default)]
    pub allow_addresses: Vec<String>,
}

/// What to change about a cloud address: only what is named changes. An empty list clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// Where a cloud address is to go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressMoveBody {
    /// The access key.
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
    pub host_name: Option<String>,
    /// Where it joined from.
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
    pub last_seen: Option<String>,
    /// Where the device that joined last came from.
    pub source: Option<String>,
    /// What the machine of the agent that joined last calls itself. Null for an earlier agent, which does not say.
    pub host_name: Option<String>,
    /// Where that agent forwards to, `[NAME=]HOST:PORT` each, as it says: the first 8.
    pub targets: Vec<String>,
    /// The key that the device shows, 64 hexadecimal digits.
    pub device_key: Option<String>,
    /// The key by which consoles know it. A device that shows another one is refused to them until that is accepted.
    pub trusted_key: Option<String>,
    /// Since when another machine, or another key, is at the address than before.
    pub renewed_at: Option<String>,
    /// Another machine that has the same identity: the two drive each other out.
    pub rival: Option<RivalBody>,
    /// Whether a device may join by a repeater ticket, without its password.
    pub repeater_ticket: bool,
    /// Whether the agent that joined last takes nobody who could see what passes.
    pub end_to_end_only: bool,
    /// The agent that joined last, with its version: `transom 0.1.0`. Null before the first join, and for a device that speaks
    /// the repeater's protocol.
    pub agent_version: Option<String>,
    /// When it was issued.
    pub created_at: String,
    /// When it was last changed or reset.
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
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewTicketBody {
    /// Whether the ticket is a number, for software that takes nothing else (UltraVNC). A number can be guessed more easily.
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
    pub project: String,
    /// Whether a device is joined under it.
    pub state: PresenceState,
    /// Since when.
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
