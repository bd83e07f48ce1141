//! Presence: the node at which a device is joined, and its changes.

use transom_model::access_key::AccessKeyId;
use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::{CloudAddress, DeviceReport, PresenceChange, PresenceState, Rival, Verifier};
use transom_model::dialect::Dialect;
use transom_model::id::{NodeId, ProjectId};
use transom_model::secret::TokenDigest;

use super::row::{json, read_verifier};
use crate::audit::write_down;
use crate::database::{Connection, Row, Sql, sql};
use crate::revision::raise as raise_revision;
use crate::{Result, Store, StoreError};

/// A filter for presence changes. A change must match every condition that is set.
#[derive(Clone, Debug, Default)]
pub struct PresenceQuery {
    /// Matches this project.
    pub project: Option<ProjectId>,
    /// Matches this access key.
    pub key: Option<AccessKeyId>,
}

/// The credential of a joining device, and its report.
#[derive(Clone, Debug)]
pub enum Joining {
    /// A proof of the password.
    Password {
        /// True if the agent accepts only end-to-end encrypted sessions. The address's repeater
        /// ticket is then dropped. An agent without the restriction lifts it at once.
        end_to_end_only: bool,
        /// The agent's name and version, as it reports them.
        program: Option<String>,
        /// The agent's report on its machine.
        report: DeviceReport,
    },
    /// A repeater ticket, which must still belong to the address.
    Ticket(TokenDigest),
}

/// A device that has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The address's new epoch.
    pub epoch: u64,
    /// Another machine with the same identity. The two have displaced each other.
    pub rival: Option<Rival>,
}

impl Store {
    /// Joins a device that proved its identity while the address had this version. Raises and
    /// returns the epoch. Returns `None` if the address was changed, reset or removed in the
    /// meantime, or its repeater ticket was dropped, because the proof is then no longer valid.
    ///
    /// If the address was joined at another node, the revision is raised and the connection there
    /// is superseded.
    pub async fn join_address(
        &self,
        address: &CloudAddress,
        version: u64,
        node: NodeId,
        shown: Joining,
        origin: &Origin,
    ) -> Result<Option<Joined>> {
        let (address, origin) = (address.clone(), origin.clone());
        self.write(move |db| Box::pin(async move { join(db, &address, version, node, shown, origin).await }))
            .await
    }

    /// The maximum number of departures in one transaction. It takes a few milliseconds, in which
    /// others wait for the counter.
    pub const LEAVES: usize = 100;

    /// Records that the device which joined under this epoch has left. Returns false if a newer one
    /// has joined or the address was removed.
    pub async fn leave_address(&self, address: &CloudAddress, epoch: u64) -> Result<bool> {
        let address = address.clone();
        self.write(move |db| Box::pin(async move { leave(db, &address, epoch).await })).await
    }

    /// Records the departure of several devices, in batches of [`LEAVES`](Self::LEAVES).
    pub async fn leave_addresses(&self, mut gone: Vec<(CloudAddress, u64)>) -> Result<()> {
        // A fixed order of rows prevents deadlocks between two transactions.
        gone.sort_unstable();
        self.write(move |db| {
            Box::pin(async move {
                for (address, epoch) in &gone {
                    leave(db, address, *epoch).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Lists the addresses whose devices are joined at this node, with their epochs: in text order,
    /// after `after`, at most `limit`.
    pub async fn joined_at(
        &self,
        node: NodeId,
        after: Option<&CloudAddress>,
        limit: u32,
    ) -> Result<Vec<(CloudAddress, u64)>> {
        let joined = sql("SELECT address, epoch FROM cloud_addresses")
            .push_value(" WHERE node_id = ", node)
            .push_some(" AND address > ", after)
            .push_value(" ORDER BY address LIMIT ", limit);
        self.all(joined).await?.into_iter().map(|mut row| Ok((row.parsed()?, row.count()?))).collect()
    }

    /// Lists the usable listen addresses whose devices are joined at this node, with their epochs
    /// and their passwords' verifiers.
    pub async fn standing_at(&self, node: NodeId) -> Result<Vec<(CloudAddress, u64, Verifier)>> {
        const STANDING: &str = "SELECT cloud_addresses.address, cloud_addresses.epoch, cloud_addresses.salt, cloud_addresses.iterations, \
            cloud_addresses.stored_key, cloud_addresses.server_key FROM cloud_addresses \
            JOIN access_keys ON access_keys.id = cloud_addresses.key_id \
            WHERE cloud_addresses.node_id = $1 AND cloud_addresses.action = 'listen' AND access_keys.revoked_at IS NULL";
        let rows = self.all(sql(STANDING).bind(node)).await?;
        rows.into_iter().map(|mut row| Ok((row.parsed()?, row.count()?, read_verifier(&mut row)?))).collect()
    }

    /// Returns a number that increases with every change of presence.
    pub async fn presence_seq(&self) -> Result<i64> {
        match self.first(sql("SELECT value FROM counters WHERE name = 'presence'")).await? {
            Some(mut row) => row.value(),
            None => Err(StoreError::Corrupt("no counter of presence".to_owned())),
        }
    }

    /// Lists the latest change of each address after this number, in order, at most `limit`. A
    /// caller that continues from the last number receives every change.
    pub async fn presence_changes(
        &self,
        query: &PresenceQuery,
        after: i64,
        limit: u32,
    ) -> Result<Vec<PresenceChange>> {
        let changes = sql("SELECT seq, address, key_id, project_id, state, at FROM presence_changes")
            .push_value(" WHERE seq > ", after)
            .push_some(" AND project_id = ", query.project)
            .push_some(" AND key_id = ", query.key.as_ref())
            .push_value(" ORDER BY seq LIMIT ", limit);
        self.all(changes).await?.into_iter().map(read).collect()
    }
}

async fn leave(db: &mut Connection<'_>, address: &CloudAddress, epoch: u64) -> Result<bool> {
    const LEAVE: &str = "UPDATE cloud_addresses SET node_id = NULL, last_seen = (SELECT now FROM clock) \
        WHERE address = $1 AND epoch = $2 AND node_id IS NOT NULL RETURNING key_id, project_id";
    let Some(mut row) = db.first(sql(LEAVE).bind(address).bind(epoch)).await? else { return Ok(false) };
    tell(db, address, &owner(&mut row)?, PresenceState::Offline).await?;
    Ok(true)
}

async fn join(
    db: &mut Connection<'_>,
    address: &CloudAddress,
    version: u64,
    node: NodeId,
    shown: Joining,
    origin: Origin,
) -> Result<Option<Joined>> {
    const RETURNING: &str = " RETURNING epoch, key_id, project_id, former_host_name, former_source, \
        CASE WHEN rival_epoch = epoch THEN rival_at END";
    let join =
        sql("UPDATE cloud_addresses SET epoch = epoch + 1, last_seen = (SELECT now FROM clock), node_id = ")
            .push_value("", node)
            .push_value(", source = ", origin.source.map(|source| source.to_string()));
    let join = match &shown {
        Joining::Password { end_to_end_only, program, report } => told_of(
            join.push_value(", end_to_end_only = ", *end_to_end_only)
                .push_value(", agent_version = ", program.as_deref()),
            report,
        )?,
        Joining::Ticket(_) => {
            join.push(", agent_version = NULL, host_name = NULL, targets = NULL, shown_key = NULL")
        }
    };
    let join = join.push_value(" WHERE address = ", address).push_value(" AND version = ", version);
    let join = match &shown {
        Joining::Password { .. } => join,
        Joining::Ticket(ticket) => {
            join.push(" AND NOT end_to_end_only").push_value(" AND repeater_ticket = ", *ticket)
        }
    };
    // A concurrent join of the same row is seen: after waiting for the lock, PostgreSQL evaluates
    // the condition again.
    let at_home = join.clone().push_value(" AND COALESCE(node_id, ", node).push_value(") = ", node);
    let mut joined = db.first(at_home.push(RETURNING)).await?;
    if joined.is_none() {
        joined = db.first(join.push(RETURNING)).await?;
        if joined.is_some() {
            // The device was joined at another node, which must check.
            raise_revision(db).await?;
        }
    }
    let Some(mut row) = joined else { return Ok(None) };
    let (epoch, owner) = (row.count()?, owner(&mut row)?);
    let (host_name, source) = (row.value()?, row.parsed_or_null()?);
    let rival = row.time_or_null()?.map(|at| Rival { host_name, source, at });
    tell(db, address, &owner, PresenceState::Online).await?;
    if let Joining::Password { end_to_end_only: true, .. } = shown {
        drop_ticket(db, address, owner.project, origin).await?;
    }
    Ok(Some(Joined { epoch, rival }))
}

/// Adds an agent's report to the join. An agent gets a rival if another one displaced it and it has
/// returned while that one was present.
fn told_of(join: Sql, report: &DeviceReport) -> Result<Sql> {
    let DeviceReport { host_name, targets, key, run } = report;
    let targets = if targets.is_empty() { None } else { Some(json(targets)?) };
    let join = join
        .push_value(", host_name = ", host_name.as_deref())
        .push_value(", targets = ", targets)
        .push_value(", shown_key = ", key.as_deref())
        // When a device has replaced another, consoles must not trust the first key that they see.
        .push_value(
            ", device_key = CASE WHEN renewed_at IS NULL THEN device_key ELSE COALESCE(device_key, ",
            key.as_deref(),
        )
        .push(") END");
    let Some(run) = run.as_deref() else { return Ok(join) };
    // On the right-hand side, every column has its old value.
    Ok(join
        .push_value(", rival_at = CASE WHEN former_run = ", run)
        .push_value(" AND run <> ", run)
        .push(" THEN (SELECT now FROM clock) ELSE rival_at END")
        .push_value(", rival_epoch = CASE WHEN former_run = ", run)
        .push_value(" AND run <> ", run)
        .push(" THEN epoch + 1 ELSE rival_epoch END")
        .push_value(", former_host_name = CASE WHEN run <> ", run)
        .push(" THEN host_name ELSE former_host_name END")
        .push_value(", former_source = CASE WHEN run <> ", run)
        .push(" THEN source ELSE former_source END")
        .push_value(", former_run = CASE WHEN run <> ", run)
        .push(" THEN run ELSE former_run END")
        .push_value(", run = ", run))
}

/// Drops the repeater ticket of an agent that requires end-to-end encryption, because the
/// repeater's protocol has none.
async fn drop_ticket(
    db: &mut Connection<'_>,
    address: &CloudAddress,
    project: ProjectId,
    origin: Origin,
) -> Result<()> {
    const DROP: &str = "UPDATE cloud_addresses SET repeater_ticket = NULL \
        WHERE address = $1 AND repeater_ticket IS NOT NULL";
    if db.run(sql(DROP).bind(address)).await? == 0 {
        return Ok(());
    }
    let dropped = AuditEntry {
        request: None,
        actor: Actor::Transom,
        dialect: Dialect::VncCloud,
        action: AuditAction::RepeaterRevoke,
        target: address.to_string(),
        outcome: "ok",
        project: Some(project),
        grant: None,
        session: None,
        detail: Some("its agent accepts only end-to-end connections".to_owned()),
        origin,
    };
    write_down(db, &dropped).await
}

/// The owner of an address.
pub(super) struct Owner {
    pub(super) key: AccessKeyId,
    pub(super) project: ProjectId,
}

fn owner(row: &mut Row) -> Result<Owner> {
    Ok(Owner { key: row.parsed()?, project: row.parsed()? })
}

/// Writes a change. Call it after updating the address's row: waiting for that row's lock while
/// holding the counter could deadlock.
pub(super) async fn tell(
    db: &mut Connection<'_>,
    address: &CloudAddress,
    owner: &Owner,
    state: PresenceState,
) -> Result<()> {
    const TELL: &str = "INSERT INTO presence_changes (address, key_id, project_id, seq, state, at) \
        SELECT $1, $2, $3, $4, $5, now FROM clock WHERE 1 = 1 ON CONFLICT (address, key_id) DO UPDATE SET \
        project_id = excluded.project_id, seq = excluded.seq, state = excluded.state, at = excluded.at";
    let seq = raise(db, 1).await?;
    let told = sql(TELL).bind(address).bind(&owner.key).bind(owner.project).bind(seq).bind(state);
    db.run(told).await.map(drop)
}

/// Raises the counter by this number and returns it.
async fn raise(db: &mut Connection<'_>, by: i64) -> Result<i64> {
    const RAISE: &str = "UPDATE counters SET value = value + $1 WHERE name = 'presence' RETURNING value";
    match db.first(sql(RAISE).bind(by)).await? {
        Some(mut row) => row.value(),
        None => Err(StoreError::Corrupt("no counter of presence".to_owned())),
    }
}

macro_rules! at_node {
    () => {
        "node_id IS NOT NULL AND (node_id = $1 OR ($1 IS NULL AND node_id IN \
         (SELECT id FROM nodes WHERE state = 'gone')))"
    };
}

/// Marks every device offline that is joined at this node, or with `None` at nodes that are gone.
/// Returns the number of devices.
pub(crate) async fn forget_at(db: &mut Connection<'_>, node: Option<NodeId>) -> Result<u64> {
    const COUNT: &str = concat!("SELECT COUNT(*) FROM cloud_addresses WHERE ", at_node!());
    const TELL: &str = concat!(
        "INSERT INTO presence_changes (address, key_id, project_id, seq, state, at) \
         SELECT address, key_id, project_id, $2 + row_number() OVER (ORDER BY address), 'offline', \
         COALESCE(last_seen, (SELECT now FROM clock)) FROM cloud_addresses WHERE ",
        at_node!(),
        " ON CONFLICT (address, key_id) DO UPDATE SET \
         project_id = excluded.project_id, seq = excluded.seq, state = excluded.state, at = excluded.at"
    );
    const FORGET: &str = concat!("UPDATE cloud_addresses SET node_id = NULL WHERE ", at_node!());
    let about = |text| sql(text).bind(node);
    let count: i64 = match db.first(about(COUNT)).await? {
        Some(mut row) => row.value()?,
        None => 0,
    };
    if count == 0 {
        return Ok(0);
    }
    let before = raise(db, count).await? - count;
    db.run(about(TELL).bind(before)).await?;
    db.run(about(FORGET)).await
}

fn read(mut row: Row) -> Result<PresenceChange> {
    Ok(PresenceChange {
        seq: row.value()?,
        address: row.parsed()?,
        key: row.parsed()?,
        project: row.parsed()?,
        state: row.parsed()?,
        at: row.time()?,
    })
}
