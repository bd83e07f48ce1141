//! Enrolments: tokens that make one listen address each.

use std::time::Duration;

use transom_model::Timestamp;
use transom_model::access_key::AccessKeyId;
use transom_model::audit::{Actor, AuditEntry};
use transom_model::cloud::enrolment::Enrolment;
use transom_model::cloud::{AccessControl, CloudAddress, GroupName, Reach, Verifier};
use transom_model::id::{EnrolmentId, ProjectId};
use transom_model::secret::TokenDigest;

use super::change::replace_device;
use super::{Guarded, NewAddress, Scope, corrupt, create as create_address, digest, json, read_verifier};
use crate::audit::write_down;
use crate::database::{Connection, Row, sql};
use crate::{Page, Result, Store, StoreError};

/// Enrolments to be made, all alike.
#[derive(Clone, Debug)]
pub struct NewEnrolments {
    /// The access key that the addresses will belong to.
    pub key: AccessKeyId,
    /// Each of them.
    pub tokens: Vec<NewEnrolment>,
    /// The address whose device is replaced by the one that comes; none: each makes a new address.
    pub replaces: Option<CloudAddress>,
    /// The groups that the addresses will let in; none: every connect address of the key.
    pub groups: Vec<GroupName>,
    /// How long from now, by the database's clock, devices may come with them.
    pub ttl: Duration,
}

/// One of several.
#[derive(Clone, Debug)]
pub struct NewEnrolment {
    /// Its id.
    pub id: EnrolmentId,
    /// What is kept of its token.
    pub token: TokenDigest,
    /// What the address will be called.
    pub name: Option<String>,
}

/// What a device gets for its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// This address, which it may have been told before.
    As(CloudAddress),
    /// Nothing: another device came with it.
    Used,
    /// Nothing: it has expired, or was revoked.
    Over,
    /// Nothing: there is no such token, or its key is revoked.
    Unknown,
}

macro_rules! enrolment_columns {
    () => {
        "id, key_id, project_id, groups, created_at, expires_at, revoked_at, used_at, address, name, replaces"
    };
}

impl Store {
    /// Makes enrolments, all or none; answers until when they are valid. `NotFound` where the key does not exist or is
    /// revoked.
    pub async fn create_enrolments(&self, new: NewEnrolments, audit: &AuditEntry) -> Result<Timestamp> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, new, &audit).await })).await
    }

    /// A project's or everybody's enrolments, of one key where it is named.
    pub async fn enrolments(
        &self,
        project: Option<ProjectId>,
        key: Option<&AccessKeyId>,
        page: Page,
    ) -> Result<Vec<Enrolment>> {
        const SELECT: &str = concat!("SELECT ", enrolment_columns!(), " FROM enrolments WHERE 1 = 1");
        let enrolments = sql(SELECT)
            .push_some(" AND project_id = ", project)
            .push_some(" AND key_id = ", key)
            .push_some(" AND id > ", page.after)
            .push_value(" ORDER BY id LIMIT ", page.limit);
        self.all(enrolments).await?.into_iter().map(read).collect()
    }

    /// Makes an enrolment worth nothing. False where there is none that still is worth something.
    pub async fn revoke_enrolment(
        &self,
        within: Option<ProjectId>,
        id: EnrolmentId,
        audit: &AuditEntry,
    ) -> Result<bool> {
        let audit = audit.clone();
        self.write(move |db| {
            Box::pin(async move {
                let revoked = sql("UPDATE enrolments SET revoked_at = (SELECT now FROM clock) \
                    WHERE revoked_at IS NULL AND used_at IS NULL")
                .push_value(" AND id = ", id)
                .push_some(" AND project_id = ", within)
                .push(" RETURNING project_id");
                let Some(mut row) = db.first(revoked).await? else { return Ok(false) };
                let project = Some(row.parsed()?);
                write_down(db, &AuditEntry { project, ..audit }).await?;
                Ok(true)
            })
        })
        .await
    }

    /// What is kept of an enrolment's token, which never changes.
    pub async fn enrolment_token(&self, id: EnrolmentId) -> Result<Option<TokenDigest>> {
        const TOKEN: &str = "SELECT token_hash FROM enrolments WHERE id = $1";
        let found = self.all(sql(TOKEN).bind(id)).await?.into_iter().next();
        found.map(|mut row| digest(&mut row).map(TokenDigest)).transpose()
    }

    /// A device comes that has the enrolment's token, with what its password is to be verified by: of all that come with
    /// one, the first gets an address. That same device, which is known by its verifier, gets the same answer whenever it asks again.
    pub async fn enrol(
        &self,
        id: EnrolmentId,
        fresh: [u8; 32],
        verifier: Verifier,
        audit: &AuditEntry,
    ) -> Result<Enrolled> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { enrol(db, id, fresh, verifier, &audit).await })).await
    }

    /// Forgets enrolments that expired before this, at most so many. Call again while it forgets as many as the limit.
    pub async fn delete_old_enrolments(&self, before: Timestamp, limit: u32) -> Result<u64> {
        const OLD: &str = "DELETE FROM enrolments WHERE id IN ( \
            SELECT id FROM enrolments WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
        self.write(move |db| Box::pin(async move { db.run(sql(OLD).bind(before).bind(limit)).await })).await
    }
}

async fn create(db: &mut Connection<'_>, new: NewEnrolments, audit: &AuditEntry) -> Result<Timestamp> {
    // The key is selected, so that a revoked one makes none whatever the caller looked up before.
    const INSERT: &str = "INSERT INTO enrolments (id, token_hash, key_id, project_id, groups, created_at, expires_at, \
        name, replaces) \
        SELECT $1, $2, access_keys.id, access_keys.project_id, $4, clock.now, clock.now + $5, $6, $7 \
        FROM access_keys CROSS JOIN clock WHERE access_keys.id = $3 AND access_keys.revoked_at IS NULL \
        RETURNING project_id, expires_at";
    let groups = if new.groups.is_empty() { None } else { Some(json(&new.groups)?) };
    let mut until = Timestamp(0);
    for NewEnrolment { id, token, name } in new.tokens {
        let insert = sql(INSERT).bind(id).bind(token).bind(&new.key).bind(groups.clone()).bind(new.ttl);
        let insert = insert.bind(name.as_deref()).bind(new.replaces.as_ref());
        let missing = StoreError::NotFound("access key");
        let mut row = db.first(insert).await?.ok_or(missing)?;
        let project = Some(row.parsed()?);
        until = row.time()?;
        write_down(db, &AuditEntry { target: id.to_string(), project, ..audit.clone() }).await?;
    }
    Ok(until)
}

async fn enrol(
    db: &mut Connection<'_>,
    id: EnrolmentId,
    fresh: [u8; 32],
    verifier: Verifier,
    audit: &AuditEntry,
) -> Result<Enrolled> {
    // The update locks the row: of two that come at once, the second sees what the first has done.
    const HOLD: &str = "UPDATE enrolments SET token_hash = token_hash WHERE id = $1 RETURNING \
        key_id, project_id, groups, revoked_at IS NOT NULL OR expires_at <= (SELECT now FROM clock), address, name, replaces";
    const STANDS: &str = "SELECT id FROM access_keys WHERE id = $1 AND revoked_at IS NULL";
    // One that connects now is nothing for a device.
    const LISTENS: &str = "UPDATE cloud_addresses SET version = version WHERE address = $1 AND action = 'listen' \
        RETURNING address";
    const SPEND: &str = "UPDATE enrolments SET used_at = (SELECT now FROM clock), address = $1 WHERE id = $2";
    let Some(mut row) = db.first(sql(HOLD).bind(id)).await? else { return Ok(Enrolled::Unknown) };
    let key: AccessKeyId = row.parsed()?;
    let project: ProjectId = row.parsed()?;
    let groups = groups(&mut row)?;
    let over: bool = row.value()?;
    let address = row.parsed_or_null::<CloudAddress>()?;
    let (name, replaces): (Option<String>, Option<CloudAddress>) = (row.value()?, row.parsed_or_null()?);
    if let Some(address) = address {
        let same = verifier_of(db, &address).await? == Some(verifier);
        return Ok(if same { Enrolled::As(address) } else { Enrolled::Used });
    }
    if over {
        return Ok(Enrolled::Over);
    }
    if let Some(address) = replaces {
        if db.first(sql(STANDS).bind(&key)).await?.is_none() {
            return Ok(Enrolled::Unknown);
        }
        if db.first(sql(LISTENS).bind(&address)).await?.is_none() {
            return Ok(Enrolled::Over);
        }
        let audit = AuditEntry {
            actor: Actor::Key(key.clone()),
            action: "address.replace",
            target: address.to_string(),
            project: Some(project),
            detail: Some(format!("by enrolment {id}{}", audit.detail.as_deref().unwrap_or_default())),
            ..audit.clone()
        };
        match replace_device(db, &Scope::Key(key), &address, &verifier, &audit).await? {
            Guarded::Done(_) => {}
            Guarded::Missing | Guarded::Stale => return Ok(Enrolled::Over),
        }
        db.run(sql(SPEND).bind(&address).bind(id)).await?;
        return Ok(Enrolled::As(address));
    }
    let access = (!groups.is_empty()).then(|| AccessControl { groups, addresses: Vec::new() });
    let address = CloudAddress::issue(project, &key, fresh);
    let audit = AuditEntry {
        actor: Actor::Key(key.clone()),
        target: address.to_string(),
        project: Some(project),
        detail: Some(format!("by enrolment {id}{}", audit.detail.as_deref().unwrap_or_default())),
        ..audit.clone()
    };
    let new = NewAddress { address: address.clone(), key, name, reach: Reach::Listen { access }, verifier };
    match create_address(db, new, &audit).await {
        Ok(_) => {}
        Err(StoreError::NotFound(_)) => return Ok(Enrolled::Unknown),
        Err(error) => return Err(error),
    }
    db.run(sql(SPEND).bind(&address).bind(id)).await?;
    Ok(Enrolled::As(address))
}

async fn verifier_of(db: &mut Connection<'_>, address: &CloudAddress) -> Result<Option<Verifier>> {
    const VERIFIER: &str =
        "SELECT salt, iterations, stored_key, server_key FROM cloud_addresses WHERE address = $1";
    db.first(sql(VERIFIER).bind(address)).await?.map(|mut row| read_verifier(&mut row)).transpose()
}

fn groups(row: &mut Row) -> Result<Vec<GroupName>> {
    let text: Option<String> = row.value()?;
    let groups = text.map(|text| serde_json::from_str(&text)).transpose();
    Ok(groups.map_err(|_| corrupt("what is not a list of groups"))?.unwrap_or_default())
}

fn read(mut row: Row) -> Result<Enrolment> {
    Ok(Enrolment {
        id: row.parsed()?,
        key: row.parsed()?,
        project: row.parsed()?,
        groups: groups(&mut row)?,
        created_at: row.time()?,
        expires_at: row.time()?,
        revoked_at: row.time_or_null()?,
        used_at: row.time_or_null()?,
        address: row.parsed_or_null()?,
        name: row.value()?,
        replaces: row.parsed_or_null()?,
    })
}
