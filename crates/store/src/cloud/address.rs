//! Cloud addresses: issue, lookup and lists.

use transom_model::access_key::AccessKeyId;
use transom_model::audit::AuditEntry;
use transom_model::cloud::{AddressRecord, CloudAddress, GroupName, Reach, Verifier};
use transom_model::id::ProjectId;

use super::row::{Columns, address_columns, corrupt, json, read, read_verifier};
use crate::audit::write_down;
use crate::database::{Connection, Sql, sql};
use crate::instance_query::pattern;
use crate::{Page, Result, Store, StoreError};

/// A new cloud address.
#[derive(Clone, Debug)]
pub struct NewAddress {
    /// The address, which must never have been issued before.
    pub address: CloudAddress,
    /// The access key that will own it.
    pub key: AccessKeyId,
    /// The display name.
    pub name: Option<String>,
    /// The action, and the addresses that it reaches or lets in.
    pub reach: Reach,
    /// The verifier of its password.
    pub verifier: Verifier,
}

/// The addresses that an operation can see. Others do not exist for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every address.
    All,
    /// The addresses of a project.
    Project(ProjectId),
    /// The addresses of an access key.
    Key(AccessKeyId),
}

/// A search for addresses. An address must match every condition that is set.
#[derive(Clone, Debug, Default)]
pub struct AddressQuery {
    /// Matches this project.
    pub project: Option<ProjectId>,
    /// Matches this access key.
    pub key: Option<AccessKeyId>,
    /// Matches only addresses with a joined device.
    pub online: bool,
    /// Matches names that contain this text. The case of ASCII letters is ignored.
    pub name: Option<String>,
    /// Matches members of this group, and addresses that let it in.
    pub group: Option<GroupName>,
}

const SELECT: &str = concat!("SELECT ", address_columns!(), " FROM cloud_addresses WHERE 1 = 1");

impl Store {
    /// Issues an address. Returns `Conflict` if it was ever issued, even if it was removed since;
    /// `NotFound` if the key does not exist or is revoked.
    pub async fn create_address(&self, new: NewAddress, audit: &AuditEntry) -> Result<AddressRecord> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, new, &audit).await })).await
    }

    /// Returns an address.
    pub async fn address(&self, scope: &Scope, address: &CloudAddress) -> Result<Option<AddressRecord>> {
        let found = scope.push_to(sql(SELECT).push_value(" AND address = ", address));
        self.first(found).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// Returns a usable address and its password's verifier. A usable address exists, and its
    /// access key is not revoked.
    pub async fn standing_address(
        &self,
        address: &CloudAddress,
    ) -> Result<Option<(AddressRecord, Verifier)>> {
        self.standing(address, None, None).await
    }

    /// Returns a usable address of this project. The lookup takes the same time for another
    /// project's address as for a nonexistent one.
    pub async fn standing_address_in(
        &self,
        project: ProjectId,
        address: &CloudAddress,
    ) -> Result<Option<(AddressRecord, Verifier)>> {
        self.standing(address, None, Some(project)).await
    }

    /// Returns a usable address of this key. The lookup takes the same time for another key's
    /// address as for a nonexistent one.
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

    /// Lists a key's addresses in the order in which the key received them: at most `limit` (and at
    /// most [`Page::MAX`]) with numbers greater than `after`, each with its number. Numbers start
    /// at 1 and become visible in order.
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

    /// Lists addresses in text order.
    pub async fn addresses(&self, query: &AddressQuery, page: Page) -> Result<Vec<AddressRecord>> {
        let Some(group) = &query.group else { return self.addresses_page(query, page).await };
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let (mut found, mut after) = (Vec::new(), page.after);
        loop {
            let some = self.addresses_page(query, Page { after, limit: page.limit }).await?;
            let last = some.len() < limit;
            after = some.last().map(|record| record.address.to_string());
            // The database finds the name anywhere in a list's text, so exact matches are selected
            // here.
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
    pub(super) fn push_to(&self, statement: Sql) -> Sql {
        match self {
            Self::All => statement,
            Self::Project(project) => statement.push_value(" AND project_id = ", *project),
            Self::Key(key) => statement.push_value(" AND key_id = ", key),
        }
    }
}

pub(super) async fn create(
    db: &mut Connection<'_>,
    new: NewAddress,
    audit: &AuditEntry,
) -> Result<AddressRecord> {
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

/// Returns the next number under this key.
pub(super) async fn next_seq(db: &mut Connection<'_>, key: &AccessKeyId) -> Result<i64> {
    const RAISE: &str = "INSERT INTO cloud_address_counters (key_id, value) VALUES ($1, 1) \
        ON CONFLICT (key_id) DO UPDATE SET value = cloud_address_counters.value + 1 RETURNING value";
    let row = db.first(sql(RAISE).bind(key)).await?;
    row.ok_or_else(|| corrupt("a counter without value"))?.value()
}
