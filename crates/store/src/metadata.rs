//! Metadata: the projects' own data about their instances.

use std::collections::HashMap;

use transom_model::audit::AuditEntry;
use transom_model::id::{InstanceId, InstanceUid, ProjectId};
use transom_model::metadata::Metadata;

use crate::audit::write_down;
use crate::database::{Connection, Row, sql};
use crate::instance_query::one_of;
use crate::{Result, Store, StoreError};

/// A change of an instance's metadata.
#[derive(Clone, Debug)]
pub enum MetadataChange {
    /// Adds these items and replaces those of the same keys.
    Merge(Metadata),
    /// Replaces all items by these.
    Replace(Metadata),
    /// Removes the item of this key.
    Remove(String),
}

/// The outcome of a change of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The change succeeded. Contains the resulting metadata.
    Now(Metadata),
    /// Refused: there would be more than [`Metadata::ITEMS`] items.
    Full,
    /// Refused: the key does not exist.
    NoItem,
    /// Refused: the instance does not exist.
    NoInstance,
}

impl Store {
    /// Returns the metadata of each of these instances. Omits instances without metadata.
    pub async fn metadata(&self, instances: &[InstanceUid]) -> Result<HashMap<InstanceUid, Metadata>> {
        const NOTED: &str = "SELECT uid, metadata FROM instances WHERE metadata IS NOT NULL";
        if instances.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self.all(one_of(sql(NOTED), " AND uid IN (", instances.iter().copied())).await?;
        rows.into_iter().map(|mut row| Ok((row.parsed()?, read(&mut row)?))).collect()
    }

    /// Changes the metadata of the project's instance of this id.
    pub async fn change_metadata(
        &self,
        project: ProjectId,
        id: &InstanceId,
        change: MetadataChange,
        audit: &AuditEntry,
    ) -> Result<Noted> {
        let (id, audit) = (id.clone(), audit.clone());
        self.write(move |db| Box::pin(async move { apply(db, project, &id, change, &audit).await })).await
    }
}

async fn apply(
    db: &mut Connection<'_>,
    project: ProjectId,
    id: &InstanceId,
    change: MetadataChange,
    audit: &AuditEntry,
) -> Result<Noted> {
    // Locks the row: a concurrent change waits, and then reads the result of this one.
    const HOLD: &str = "UPDATE instances SET metadata = metadata WHERE project_id = $1 AND id = $2 \
        RETURNING uid, metadata";
    const SET: &str =
        "UPDATE instances SET metadata = $1, updated_at = (SELECT now FROM clock) WHERE uid = $2";
    let Some(mut row) = db.first(sql(HOLD).bind(project).bind(id)).await? else {
        return Ok(Noted::NoInstance);
    };
    let uid: InstanceUid = row.parsed()?;
    let mut metadata = read(&mut row)?;
    match change {
        MetadataChange::Merge(notes) => metadata.extend(notes),
        MetadataChange::Replace(notes) => metadata = notes,
        MetadataChange::Remove(key) => {
            if !metadata.remove(&key) {
                return Ok(Noted::NoItem);
            }
        }
    }
    if metadata.len() > Metadata::ITEMS {
        return Ok(Noted::Full);
    }
    db.run(sql(SET).bind(written(&metadata)?).bind(uid)).await?;
    write_down(db, audit).await?;
    Ok(Noted::Now(metadata))
}

/// The column's text. JSON escapes NUL, which PostgreSQL cannot store.
fn written(metadata: &Metadata) -> Result<Option<String>> {
    let text = (!metadata.is_empty()).then(|| serde_json::to_string(metadata)).transpose();
    text.map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Reads the next column.
fn read(row: &mut Row) -> Result<Metadata> {
    let text = row.value::<Option<String>>()?;
    let metadata = text.map(|text| serde_json::from_str(&text)).transpose();
    // The original error would quote the project's text.
    metadata
        .map(Option::unwrap_or_default)
        .map_err(|_| StoreError::Corrupt("an instance's metadata".to_owned()))
}
