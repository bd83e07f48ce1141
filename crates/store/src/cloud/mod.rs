//! Cloud addresses: issuing, finding, listing.

mod change;
mod device_key;
mod enforced;
mod enrolment;
mod presence;
mod repeater;

use transom_model::access_key::AccessKeyId;
use transom_model::audit::AuditEntry;
use transom_model::cloud::{
    AccessControl, Action, AddressRecord, CloudAddress, Device, GroupName, Presence, Reach, Rival, Verifier,
};
use transom_model::id::ProjectId;
use transom_model::secret::TokenDigest;

use crate::audit::write_down;
use crate::database::{Connection, Row, Sql, sql};
use crate::instance_query::pattern;
use crate::{Page, Result, Store, StoreError};

pub use change::{AddressChange, Guarded, Precondition};
pub use enrolment::{Enrolled, NewEnrolment, NewEnrolments};
pub(crate) use presence::forget_at;
pub use presence::{Joined, Joining, PresenceQuery};
pub use repeater::NewViewerId;

/// A cloud address to be issued.
#[derive(Clone, Debug)]
pub struct NewAddress {
    /// The address; it must never have been issued before.
    pub address: CloudAddress,
    /// The access key that it is for.
    pub key: AccessKeyId,
    /// What people call it.
    pub name: Option<String>,
    /// What it does, and whom it reaches or lets in.
    pub reach: Reach,
    /// What is kept of its password.
    pub verifier: Verifier,
}

/// Whose addresses are looked at; all others do not exist for the operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// A project's.
    Project(ProjectId),
    /// An access key's.
    Key(AccessKeyId),
}

/// Which addresses are asked for: those that fit everything that is given.
#[derive(Clone, Debug, Default)]
pub struct AddressQuery {
    /// Of this project.
    pub project: Option<ProjectId>,
    /// Of this access key.
    pub key: Option<AccessKeyId>,
    /// Only those that a device is joined under.
    pub online: bool,
    /// Whose names hold this text. The case of ASCII letters does not matter.
    pub name: Option<String>,
    /// That are members of this group, or let it in.
    pub group: Option<GroupName>,
}

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
use address_columns;

const SELECT: &str = concat!("SELECT ", address_columns!(), " FROM cloud_addresses WHERE 1 = 1");

impl Store {
    /// Issues an address. `Conflict` where it was issued before, also if it was removed since; `NotFound` where the key
    /// does not exist or is revoked.
    pub async fn create_address(&self, new: NewAddress, audit: &AuditEntry) -> Result<AddressRecord> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, new, &audit).await })).await
    }

    /// One address.
    pub async fn address(&self, scope: &Scope, address: &CloudAddress) -> Result<Option<AddressRecord>> {
        let found = scope.push_to(sql(SELECT).push_value(" AND address = ", address));
        self.first(found).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// One address that may be used, with what its password is verified by: it exists, and its access key is not revoked.
    pub async fn standing_address(
        &self,
        address: &CloudAddress,
    ) -> Result<Option<(AddressRecord, Verifier)>> {
        self.standing(address, None, None).await
    }

    /// The same among this project's: it takes as long to find that an address is another project's as that there is none.
    pub async fn standing_address_in(
        &self,
        project: ProjectId,
        address: &CloudAddress,
    ) -> Result<Option<(AddressRecord, Verifier)>> {
        self.standing(address, None, Some(project)).await
    }

    /// The same among this key's: it takes as long to find that an address is another key's as that there is none.
    pub async fn standing_address_of(
        &self,
        key: &AccessKeyId,
        address: &CloudAddress,
    ) -> Result<Option<(AddressRecord, Verifier)>> {
        self.standing(address, Some(key), None).await
    }

    async fn standing(
        &self,
        address: &CloudAddress,
        key: Option<&AccessKeyId>,
        project: Option<ProjectId>,
    ) -> Result<Option<(AddressRecord, Verifier)>> {
        const STANDING: &str = concat!(
            "SELECT ",
            address_columns!(),
            ", salt, iterations, stored_key, server_key FROM cloud_addresses \
             JOIN access_keys ON access_keys.id = cloud_addresses.key_id \
             WHERE cloud_addresses.address = $1 AND access_keys.revoked_at IS NULL"
        );
        let standing = sql(STANDING)
            .bind(address)
            .push_some(" AND cloud_addresses.key_id = ", key)
            .push_some(" AND cloud_addresses.project_id = ", project);
        let Some(mut row) = self.first(standing).await? else { return Ok(None) };
        let record = read(&mut row)?;
        Ok(Some((record, read_verifier(&mut row)?)))
    }

    /// A key's addresses in the order in which they came to it, at most `limit` (and at most [`Page::MAX`]): those whose
    /// number is greater than `after`, each with its number. Numbers start with 1 and become visible in order.
    pub async fn key_addresses(
        &self,
        key: &AccessKeyId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, CloudAddress)>> {
        const PAGE: &str = "SELECT seq, address FROM cloud_addresses WHERE key_id = $1 AND seq > $2 \
            ORDER BY seq LIMIT $3";
        let rows = self.all(sql(PAGE).bind(key).bind(after).bind(limit.min(Page::MAX))).await?;
        rows.into_iter().map(|mut row| Ok((row.value()?, row.parsed()?))).collect()
    }

    /// Addresses by their text.
    pub async fn addresses(&self, query: &AddressQuery, page: Page) -> Result<Vec<AddressRecord>> {
        let Some(group) = &query.group else { return self.addresses_page(query, page).await };
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let (mut found, mut after) = (Vec::new(), page.after);
        loop {
            let some = self.addresses_page(query, Page { after, limit: page.limit }).await?;
            let last = some.len() < limit;
            after = some.last().map(|record| record.address.to_string());
            // The database finds the name wherever it stands in a list's text.
            found.extend(some.into_iter().filter(|record| record.reach.names(group)));
            if last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    async fn addresses_page(&self, query: &AddressQuery, page: Page) -> Result<Vec<AddressRecord>> {
        let mut addresses = sql(SELECT)
            .push_some(" AND project_id = ", query.project)
            .push_some(" AND key_id = ", query.key.as_ref())
            .push_some(" AND address > ", page.after);
        if query.online {
            addresses = addresses.push(" AND node_id IS NOT NULL");
        }
        if let Some(name) = &query.name {
            addresses =
                addresses.push_value(" AND LOWER(name) LIKE LOWER(", pattern(name)).push(") ESCAPE '!'");
        }
        if let Some(group) = &query.group {
            addresses = addresses
                .push_value(" AND COALESCE(groups, access_control) LIKE ", pattern(&json(group)?))
                .push(" ESCAPE '!'");
        }
        let rows = self.all(addresses.push_value(" ORDER BY address LIMIT ", page.limit)).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }
}

impl Scope {
    fn push_to(&self, statement: Sql) -> Sql {
        match self {
            Self::All => statement,
            Self::Project(project) => statement.push_value(" AND project_id = ", *project),
            Self::Key(key) => statement.push_value(" AND key_id = ", key),
        }
    }
}

async fn create(db: &mut Connection<'_>, new: NewAddress, audit: &AuditEntry) -> Result<AddressRecord> {
    const ISSUE: &str = "INSERT INTO issued_cloud_addresses (address) VALUES ($1) ON CONFLICT DO NOTHING";
    const INSERT: &str = concat!(
        "INSERT INTO cloud_addresses (address, key_id, project_id, seq, action, groups, access_control, version, \
         revision, salt, iterations, stored_key, server_key, created_at, changed_at, name) \
         SELECT $1, access_keys.id, access_keys.project_id, $3, $4, $5, $6, 1, 0, $7, $8, $9, $10, clock.now, clock.now, $11 \
         FROM access_keys CROSS JOIN clock WHERE access_keys.id = $2 AND access_keys.revoked_at IS NULL RETURNING ",
        address_columns!()
    );
    if db.run(sql(ISSUE).bind(&new.address)).await? == 0 {
        return Err(StoreError::Conflict("the cloud address was issued before"));
    }
    let seq = next_seq(db, &new.key).await?;
    let reach = Columns::of(&new.reach)?;
    let insert = sql(INSERT)
        .bind(&new.address)
        .bind(&new.key)
        .bind(seq)
        .bind(reach.action)
        .bind(reach.groups)
        .bind(reach.access_control)
        .bind(new.verifier.salt.as_slice())
        .bind(new.verifier.iterations.get())
        .bind(new.verifier.stored_key.as_slice())
        .bind(new.verifier.server_key.as_slice())
        .bind(new.name.as_deref());
    let mut row = db.first(insert).await?.ok_or(StoreError::NotFound("access key"))?;
    write_down(db, audit).await?;
    read(&mut row)
}

/// The next number under this key.
async fn next_seq(db: &mut Connection<'_>, key: &AccessKeyId) -> Result<i64> {
    const RAISE: &str = "INSERT INTO cloud_address_counters (key_id, value) VALUES ($1, 1) \
        ON CONFLICT (key_id) DO UPDATE SET value = cloud_address_counters.value + 1 RETURNING value";
    let row = db.first(sql(RAISE).bind(key)).await?;
    row.ok_or_else(|| corrupt("a counter without value"))?.value()
}

/// A reach as columns.
struct Columns {
    action: Action,
    groups: Option<String>,
    access_control: Option<String>,
}

impl Columns {
    fn of(reach: &Reach) -> Result<Self> {
        let action = reach.action();
        let (groups, access_control) = match reach {
            Reach::Connect { groups } if groups.is_empty() => (None, None),
            Reach::Connect { groups } => (Some(json(groups)?), None),
            Reach::Listen { access } => (None, access.as_ref().map(json).transpose()?),
        };
        Ok(Self { action, groups, access_control })
    }

    fn read(row: &mut Row) -> Result<Reach> {
        let action = row.parsed()?;
        let groups: Option<String> = row.value()?;
        let access_control: Option<String> = row.value()?;
        let wrong = |_| corrupt("what is not a cloud address's access");
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

/// JSON writes every control character as an escape, so that also a name with NUL in it can be kept.
fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| corrupt("what cannot be written as JSON"))
}

fn read(row: &mut Row) -> Result<AddressRecord> {
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

fn read_verifier(row: &mut Row) -> Result<Verifier> {
    let salt = row.value()?;
    let iterations = row.count::<u32>()?.try_into().map_err(|_| corrupt("an iteration count"))?;
    let stored_key = digest(row)?;
    let server_key = digest(row)?;
    Ok(Verifier { salt, iterations, stored_key, server_key })
}

fn digest(row: &mut Row) -> Result<[u8; 32]> {
    read_digest(row.value()?)
}

fn read_digest(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| corrupt("a digest"))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}
