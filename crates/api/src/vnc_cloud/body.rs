//! Request bodies: JSON objects with exactly the documented members.

use axum::body::Body;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use transom_model::cloud::{Action, AddressRecord, CloudAddress, Draft, DraftAccessControl};
use transom_model::member::Member;

use super::answer::Refusal;
use transom_http::body::{BodyError, read as read_bytes};
use transom_http::limits::BODY;
use transom_http::misfit::misfit;
use transom_http::object::Object;

/// The properties of a new address. An undocumented member is refused: a typo in `accessControl`
/// would otherwise open the address to the whole key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewAddress {
    allowed_actions: Vec<String>,
    groups: Option<Vec<String>>,
    #[serde(default)]
    access_control: Member<Object<AccessControl>>,
}

/// All properties of an address, and the address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WholeAddress {
    /// The address, as any text. An address other than the path's is a conflict, even if it is
    /// malformed.
    pub(super) cloud_address: String,
    allowed_actions: Vec<String>,
    groups: Option<Vec<String>>,
    #[serde(default)]
    access_control: Member<Object<AccessControl>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AccessControl {
    groups: Option<Vec<String>>,
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

fn draft(actions: Vec<String>, groups: Option<Vec<String>>, access: Member<Object<AccessControl>>) -> Draft {
    let access = match access {
        // Typed clients send `null` for members that they do not set. For a listen address, a
        // missing access control would admit the whole key, so `null` counts as an empty one.
        Member::Null if actions.iter().any(|action| action == Action::Listen.as_str()) => {
            Some(DraftAccessControl::default())
        }
        Member::Null | Member::Missing => None,
        Member::Given(Object(AccessControl { groups, cloud_addresses })) => {
            Some(DraftAccessControl { groups, addresses: cloud_addresses })
        }
    };
    Draft { actions, groups, access }
}

/// Reads a body. An oversized body is 413; any other problem is 400 without a code.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let bytes = read_bytes(body, BODY).await.map_err(|error| match error {
        BodyError::TooLarge => Refusal::of(StatusCode::PAYLOAD_TOO_LARGE),
        BodyError::Broken => Refusal::bad_request(error.to_string()),
    })?;
    let mut reader = serde_json::Deserializer::from_slice(&bytes);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| misfit(&error.to_string()));
    let Object(value) = read.map_err(|error| Refusal::bad_request(error.to_string()))?;
    reader.end().map_err(|_| Refusal::bad_request("data follows the JSON object"))?;
    Ok(value)
}

/// An address as its owner sees it.
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
