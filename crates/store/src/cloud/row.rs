//! An address's columns.

use transom_model::cloud::{AccessControl, Action, AddressRecord, Device, Presence, Reach, Rival, Verifier};
use transom_model::secret::TokenDigest;

use crate::database::Row;
use crate::{Result, StoreError};

macro_rules! address_columns {
    () => {
        "cloud_addresses.generation, cloud_addresses.address, cloud_addresses.key_id, cloud_addresses.project_id, cloud_addresses.action, \
         cloud_addresses.groups, cloud_addresses.access_control, cloud_addresses.version, \
         cloud_addresses.created_at, cloud_addresses.changed_at, cloud_addresses.epoch, cloud_addresses.node_id, \
         cloud_addresses.last_seen, cloud_addresses.repeater_ticket, cloud_addresses.end_to_end_only, \
         cloud_addresses.name, cloud_addresses.agent_version, cloud_addresses.host_name, cloud_addresses.targets, \
         cloud_addresses.source, cloud_addresses.shown_key, cloud_addresses.device_key, cloud_addresses.renewed_at, \
         cloud_addresses.former_host_name, cloud_addresses.former_source, cloud_addresses.rival_at"
    };
}
pub(super) use address_columns;

/// A reach as columns.
pub(super) struct Columns {
    pub(super) action: Action,
    pub(super) groups: Option<String>,
    pub(super) access_control: Option<String>,
}

impl Columns {
    pub(super) fn of(reach: &Reach) -> Result<Self> {
        let action = reach.action();
        let (groups, access_control) = match reach {
            Reach::Connect { groups } if groups.is_empty() => (None, None),
            Reach::Connect { groups } => (Some(json(groups)?), None),
            Reach::Listen { access } => (None, access.as_ref().map(json).transpose()?),
        };
        Ok(Self { action, groups, access_control })
    }

    pub(super) fn read(row: &mut Row) -> Result<Reach> {
        let action = row.parsed()?;
        let groups: Option<String> = row.value()?;
        let access_control: Option<String> = row.value()?;
        let wrong = |_| corrupt("a cloud address's access");
        Ok(match action {
            Action::Connect => {
                let groups = groups.map(|text| serde_json::from_str(&text)).transpose().map_err(wrong)?;
                Reach::Connect { groups: groups.unwrap_or_default() }
            }
            Action::Listen => {
                let access = access_control.map(|text| serde_json::from_str::<AccessControl>(&text));
                Reach::Listen { access: access.transpose().map_err(wrong)? }
            }
        })
    }
}

/// Serializes a value as JSON. JSON escapes every control character, so a name that contains NUL
/// can be stored.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| corrupt("what cannot be written as JSON"))
}

pub(super) fn read(row: &mut Row) -> Result<AddressRecord> {
    Ok(AddressRecord {
        generation: row.count()?,
        address: row.parsed()?,
        key: row.parsed()?,
        project: row.parsed()?,
        reach: Columns::read(row)?,
        version: row.count()?,
        created_at: row.time()?,
        changed_at: row.time()?,
        presence: Presence {
            epoch: row.count()?,
            node: row.parsed_or_null()?,
            last_seen: row.time_or_null()?,
        },
        repeater_ticket: row.value::<Option<Vec<u8>>>()?.map(read_digest).transpose()?.map(TokenDigest),
        end_to_end_only: row.value()?,
        name: row.value()?,
        device: read_device(row)?,
    })
}

fn read_device(row: &mut Row) -> Result<Device> {
    let (program, host_name) = (row.value()?, row.value()?);
    let targets: Option<String> = row.value()?;
    let targets = targets.map(|text| serde_json::from_str(&text)).transpose();
    let targets = targets.map_err(|_| corrupt("what is not a list of targets"))?.unwrap_or_default();
    let (source, key, trusted_key, renewed_at) =
        (row.parsed_or_null()?, row.value()?, row.value()?, row.time_or_null()?);
    let (former_host_name, former_source) = (row.value()?, row.parsed_or_null()?);
    let rival =
        row.time_or_null()?.map(|at| Rival { host_name: former_host_name, source: former_source, at });
    Ok(Device { program, host_name, targets, source, key, trusted_key, rival, renewed_at })
}

pub(super) fn read_verifier(row: &mut Row) -> Result<Verifier> {
    let salt = row.value()?;
    let iterations = row.count::<u32>()?.try_into().map_err(|_| corrupt("an iteration count"))?;
    let stored_key = digest(row)?;
    let server_key = digest(row)?;
    Ok(Verifier { salt, iterations, stored_key, server_key })
}

pub(super) fn digest(row: &mut Row) -> Result<[u8; 32]> {
    read_digest(row.value()?)
}

fn read_digest(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| corrupt("a digest"))
}

pub(super) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}
