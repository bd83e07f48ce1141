//! Request bodies: JSON objects with exactly the documented members.

use axum::body::Body;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use transom_model::cloud::{AddressRecord, CloudAddress, Draft, DraftAccessControl};

use super::answer::Refusal;
use crate::http::body::{BodyError, LARGEST, read as read_bytes};
use crate::http::object::Object;

/// What an address should be. A member that is not documented is refused: a typo in `accessControl` would otherwise
/// open the address to the whole key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewAddress {
    allowed_actions: Vec<String>,
    #[serde(default, deserialize_with = "present")]
    groups: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    access_control: Option<Object<AccessControl>>,
}

/// The same with the address that it is meant for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WholeAddress {
    /// Any text: another one than in the path is a conflict, whatever it looks like.
    pub(super) cloud_address: String,
    allowed_actions: Vec<String>,
    #[serde(default, deserialize_with = "present")]
    groups: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    access_control: Option<Object<AccessControl>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AccessControl {
    #[serde(default, deserialize_with = "present")]
    groups: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    cloud_addresses: Option<Vec<CloudAddress>>,
}

impl NewAddress {
    pub(super) fn draft(self) -> Draft {
        draft(self.allowed_actions, self.groups, self.access_control)
    }
}

impl WholeAddress {
    pub(super) fn draft(self) -> Draft {
        draft(self.allowed_actions, self.groups, self.access_control)
    }
}

fn draft(actions: Vec<String>, groups: Option<Vec<String>>, access: Option<Object<AccessControl>>) -> Draft {
    let access = access.map(|Object(access)| DraftAccessControl {
        groups: access.groups,
        addresses: access.cloud_addresses,
    });
    Draft { actions, groups, access }
}

/// Reads a body: too large is 413, anything else that is wrong is 400 without a code.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let bytes = read_bytes(body, LARGEST).await.map_err(|error| match error {
        BodyError::TooLarge => Refusal::of(StatusCode::PAYLOAD_TOO_LARGE),
        BodyError::Broken => Refusal::bad_request(),
    })?;
    let Object(value) = serde_json::from_slice(&bytes).map_err(|_| Refusal::bad_request())?;
    Ok(value)
}

/// Present and not `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An address as its owner gets it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    cloud_address: CloudAddress,
    allowed_actions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_control: Option<Lists>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Lists {
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_addresses: Option<Vec<CloudAddress>>,
}

impl From<AddressRecord> for Details {
    fn from(record: AddressRecord) -> Self {
        let Draft { actions, groups, access } = Draft::from(&record.reach);
        let lists =
            |access: DraftAccessControl| Lists { groups: access.groups, cloud_addresses: access.addresses };
        Self {
            cloud_address: record.address,
            allowed_actions: actions,
            groups,
            access_control: access.map(lists),
        }
    }
}
