//! Changes, resets, moves and removals of addresses, under a condition that the same transaction
//! checks.

use transom_model::access_key::AccessKeyId;
use transom_model::audit::{Actor, AuditEntry};
use transom_model::cloud::{AddressRecord, CloudAddress, PresenceState, Reach, Verifier};
use transom_model::id::ProjectId;

use super::address::{Scope, next_seq};
use super::presence::{Owner, tell as tell_presence};
use super::row::{Columns, address_columns, corrupt, read};
use crate::audit::write_down;
use crate::database::{Connection, Row, Sql, sql};
use crate::revision::raise;
use crate::{Result, Store, StoreError};

/// The entity versions that an operation applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Every version.
    Any,
    /// Any of these versions. Of two operations with the same condition, only one succeeds.
    OneOf(Vec<u64>),
}

impl Precondition {
    /// Returns whether the condition admits this version.
    #[must_use]
    pub fn holds(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

/// The new settings of an address.
#[derive(Clone, Debug)]
pub struct AddressChange {
    /// The new action, and the addresses that it reaches or lets in.
    pub reach: Reach,
    /// The new display name. `None` leaves it; an empty name clears it.
    pub name: Option<String>,
}

impl From<Reach> for AddressChange {
    fn from(reach: Reach) -> Self {
        Self { reach, name: None }
    }
}

/// The outcome of a conditional operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guarded<T> {
    /// The operation succeeded.
    Done(T),
    /// The address does not exist.
    Missing,
    /// The address has a different version. Nothing was changed.
    Stale,
}

/// An address that this transaction has locked until its end.
struct Held {
    version: u64,
    owner: Owner,
    /// The revision, which makes the other nodes check their sessions.
    revision: i64,
}

/// Each of these operations raises the address's version and the revision, because sessions that
/// the address no longer permits must end.
impl Store {
    /// Replaces an address's action and reach, and its display name if one is given.
    pub async fn change_address(
        &self,
        scope: &Scope,
        address: &CloudAddress,
        change: impl Into<AddressChange>,
        condition: Precondition,
        audit: &AuditEntry,
    ) -> Result<Guarded<AddressRecord>> {
        let (scope, address, audit) = (scope.clone(), address.clone(), audit.clone());
        let AddressChange { reach, name } = change.into();
        self.write(move |db| {
            Box::pin(async move {
                let reach = Columns::of(&reach)?;
                let set = sql("UPDATE cloud_addresses SET changed_at = (SELECT now FROM clock)");
                // An address that connected and now listens may be used by a device that knows its
                // password.
                let set = if is_operator(&audit) {
                    set
                } else {
                    set.push(", generation = generation + CASE")
                        .push_value(" WHEN action = ", reach.action)
                        .push(" THEN 0 ELSE 1 END")
                };
                let set = set
                    .push_value(", action = ", reach.action)
                    .push_value(", groups = ", reach.groups)
                    .push_value(", access_control = ", reach.access_control);
                let set = match name {
                    None => set,
                    Some(name) => set.push_value(", name = ", Some(name).filter(|name| !name.is_empty())),
                };
                update(db, &scope, &address, &condition, set, &audit).await
            })
        })
        .await
    }

    /// Gives an address a new password and forgets its device's key.
    pub async fn reset_address(
        &self,
        scope: &Scope,
        address: &CloudAddress,
        verifier: Verifier,
        condition: Precondition,
        audit: &AuditEntry,
    ) -> Result<Guarded<AddressRecord>> {
        let (scope, address, audit) = (scope.clone(), address.clone(), audit.clone());
        self.write(move |db| {
            Box::pin(async move {
                let set = renewing(with_password(&verifier).push(", renewed_at = NULL"), &audit);
                update(db, &scope, &address, &condition, set, &audit).await
            })
        })
        .await
    }

    /// Makes consoles trust this device key.
    pub async fn accept_device_key(
        &self,
        scope: &Scope,
        address: &CloudAddress,
        key: &str,
        audit: &AuditEntry,
    ) -> Result<Guarded<AddressRecord>> {
        let (scope, address, audit) = (scope.clone(), address.clone(), audit.clone());
        let key = key.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let set = sql("UPDATE cloud_addresses SET changed_at = (SELECT now FROM clock)")
                    .push(", renewed_at = (SELECT now FROM clock)")
                    .push_value(", device_key = ", key.as_str());
                update(db, &scope, &address, &Precondition::Any, renewing(set, &audit), &audit).await
            })
        })
        .await
    }

    /// Moves an address to another access key, as that key's last address. Returns `NotFound` if
    /// the key does not exist or is revoked.
    pub async fn move_address(
        &self,
        scope: &Scope,
        address: &CloudAddress,
        to: &AccessKeyId,
        audit: &AuditEntry,
    ) -> Result<Guarded<AddressRecord>> {
        let (scope, address, to, audit) = (scope.clone(), address.clone(), to.clone(), audit.clone());
        self.write(move |db| Box::pin(async move { relocate(db, &scope, &address, &to, &audit).await })).await
    }

    /// Removes an address, which is never issued again.
    pub async fn remove_address(
        &self,
        scope: &Scope,
        address: &CloudAddress,
        condition: Precondition,
        audit: &AuditEntry,
    ) -> Result<Guarded<()>> {
        let (scope, address, audit) = (scope.clone(), address.clone(), audit.clone());
        self.write(move |db| Box::pin(async move { remove(db, &scope, &address, &condition, &audit).await }))
            .await
    }
}

/// Replaces an address's device: sets the new password and forgets the previous device. Secrets
/// entrusted to the previous device are withheld from the new one, whichever party admitted it.
pub(super) async fn replace_device(
    db: &mut Connection<'_>,
    scope: &Scope,
    address: &CloudAddress,
    verifier: &Verifier,
    audit: &AuditEntry,
) -> Result<Guarded<AddressRecord>> {
    let set = with_password(verifier)
        .push(", generation = generation + 1, repeater_ticket = NULL, host_name = NULL, targets = NULL")
        .push(", agent_version = NULL, source = NULL, renewed_at = (SELECT now FROM clock)");
    update(db, scope, address, &Precondition::Any, set, audit).await
}

/// The update for a new password, which also forgets the device and its rival.
fn with_password(verifier: &Verifier) -> Sql {
    sql("UPDATE cloud_addresses SET changed_at = (SELECT now FROM clock)")
        .push_value(", salt = ", verifier.salt.as_slice())
        .push_value(", iterations = ", verifier.iterations.get())
        .push_value(", stored_key = ", verifier.stored_key.as_slice())
        .push_value(", server_key = ", verifier.server_key.as_slice())
        .push(", device_key = NULL, shown_key = NULL, run = NULL, former_run = NULL, rival_at = NULL, rival_epoch = NULL")
        .push(", former_host_name = NULL, former_source = NULL")
}

/// Raises the generation unless the operator made the change.
pub(super) fn renewing(set: Sql, audit: &AuditEntry) -> Sql {
    if is_operator(audit) { set } else { set.push(", generation = generation + 1") }
}

fn is_operator(audit: &AuditEntry) -> bool {
    audit.actor == Actor::Operator
}

/// Locks an address. On PostgreSQL, the update locks the row and then sees its latest version.
async fn hold(
    db: &mut Connection<'_>,
    scope: &Scope,
    address: &CloudAddress,
    condition: &Precondition,
) -> Result<Guarded<Held>> {
    let lock = sql("UPDATE cloud_addresses SET version = version WHERE 1 = 1")
        .push_value(" AND address = ", address);
    let Some(mut row) = db.first(scope.push_to(lock).push(" RETURNING version, key_id, project_id")).await?
    else {
        return Ok(Guarded::Missing);
    };
    let version = row.count()?;
    let owner = Owner { key: row.parsed()?, project: row.parsed()? };
    if !condition.holds(version) {
        return Ok(Guarded::Stale);
    }
    let revision = raise(db).await?;
    Ok(Guarded::Done(Held { version, owner, revision }))
}

pub(super) async fn update(
    db: &mut Connection<'_>,
    scope: &Scope,
    address: &CloudAddress,
    condition: &Precondition,
    set: Sql,
    audit: &AuditEntry,
) -> Result<Guarded<AddressRecord>> {
    let held = match hold(db, scope, address, condition).await? {
        Guarded::Done(held) => held,
        Guarded::Missing => return Ok(Guarded::Missing),
        Guarded::Stale => return Ok(Guarded::Stale),
    };
    let changed = changed(db, address, &held, set).await?;
    tell(db, audit, &held, Some(changed.version)).await?;
    Ok(Guarded::Done(changed))
}

/// Runs an update on a locked address and raises its version.
async fn changed(
    db: &mut Connection<'_>,
    address: &CloudAddress,
    held: &Held,
    set: Sql,
) -> Result<AddressRecord> {
    let update = set
        .push_value(", version = ", held.version + 1)
        .push_value(", revision = ", held.revision)
        .push_value(" WHERE address = ", address)
        .push(concat!(" RETURNING ", address_columns!()));
    let row: Option<Row> = db.first(update).await?;
    read(&mut row.ok_or_else(|| corrupt("a held address that is gone"))?)
}

async fn relocate(
    db: &mut Connection<'_>,
    scope: &Scope,
    address: &CloudAddress,
    to: &AccessKeyId,
    audit: &AuditEntry,
) -> Result<Guarded<AddressRecord>> {
    const PROJECT: &str = "SELECT project_id FROM access_keys WHERE id = $1 AND revoked_at IS NULL";
    // The counter is locked before the address, as in the creation of an address. The opposite
    // order could deadlock.
    let Some(mut row) = db.first(sql(PROJECT).bind(to)).await? else {
        return Err(StoreError::NotFound("access key"));
    };
    let project: ProjectId = row.parsed()?;
    let seq = next_seq(db, to).await?;
    let set = sql("UPDATE cloud_addresses SET changed_at = (SELECT now FROM clock)")
        .push_value(", key_id = ", to)
        .push_value(", project_id = ", project)
        .push_value(", seq = ", seq);
    let set = renewing(set, audit);
    let held = match hold(db, scope, address, &Precondition::Any).await? {
        Guarded::Done(held) => held,
        Guarded::Missing => return Ok(Guarded::Missing),
        Guarded::Stale => return Ok(Guarded::Stale),
    };
    let moved = changed(db, address, &held, set).await?;
    if held.owner.key != *to {
        tell_presence(db, address, &held.owner, PresenceState::Removed).await?;
        if moved.presence.last_seen.is_some() {
            let state = PresenceState::of(&moved.presence);
            tell_presence(db, address, &Owner { key: to.clone(), project }, state).await?;
        }
    }
    tell(db, audit, &held, Some(moved.version)).await?;
    Ok(Guarded::Done(moved))
}

async fn remove(
    db: &mut Connection<'_>,
    scope: &Scope,
    address: &CloudAddress,
    condition: &Precondition,
    audit: &AuditEntry,
) -> Result<Guarded<()>> {
    let held = match hold(db, scope, address, condition).await? {
        Guarded::Done(held) => held,
        Guarded::Missing => return Ok(Guarded::Missing),
        Guarded::Stale => return Ok(Guarded::Stale),
    };
    db.run(sql("DELETE FROM cloud_addresses WHERE address = $1").bind(address)).await?;
    tell_presence(db, address, &held.owner, PresenceState::Removed).await?;
    tell(db, audit, &held, None).await?;
    Ok(Guarded::Done(()))
}

/// Writes the audit record, with the versions before and after.
async fn tell(db: &mut Connection<'_>, audit: &AuditEntry, held: &Held, after: Option<u64>) -> Result<()> {
    let after = after.map_or_else(|| "removed".to_owned(), |version| format!("version {version}"));
    let versions = format!("version {} → {after}", held.version);
    let detail = match &audit.detail {
        Some(detail) => format!("{detail}; {versions}"),
        None => versions,
    };
    write_down(db, &AuditEntry { detail: Some(detail), ..audit.clone() }).await
}
