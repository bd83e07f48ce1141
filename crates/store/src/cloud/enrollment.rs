//! Enrollments: each of their tokens creates one listen address.

use std::time::Duration;

use transom_model::Timestamp;
use transom_model::access_key::AccessKeyId;
use transom_model::audit::{Actor, AuditEntry};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::enrollment::Enrollment;
use transom_model::cloud::{AccessControl, CloudAddress, GroupName, Reach, Verifier};
use transom_model::id::{EnrollmentId, ProjectId};
use transom_model::secret::TokenDigest;

use super::address::{NewAddress, Scope, create as create_address};
use super::change::{Guarded, replace_device};
use super::row::{corrupt, digest, json, read_verifier};
use crate::audit::write_down;
use crate::database::{Connection, Row, sql};
use crate::{Page, Result, Store, StoreError};

/// New enrollments with common settings.
#[derive(Clone, Debug)]
pub struct NewEnrollments {
    /// The access key that will own the addresses.
    pub key: AccessKeyId,
    /// The enrollments.
    pub tokens: Vec<NewEnrollment>,
    /// The address whose device will be replaced; `None` if each enrollment creates a new address.
    pub replaces: Option<CloudAddress>,
    /// The groups that the addresses will let in. When empty, they let in every connect address of
    /// the key.
    pub groups: Vec<GroupName>,
    /// The lifetime from now by the database's clock.
    pub ttl: Duration,
}

/// A new enrollment.
#[derive(Clone, Debug)]
pub struct NewEnrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// The digest of its token.
    pub token: TokenDigest,
    /// The address's future name.
    pub name: Option<String>,
}

/// The outcome of an enrollment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// The device's address, which it may have received before.
    As(CloudAddress),
    /// Refused: another device used the token.
    Used,
    /// Refused: the token has expired or was revoked.
    Over,
    /// Refused: the token is unknown, or its key is revoked.
    Unknown,
}

macro_rules! enrollment_columns {
    () => {
        "id, key_id, project_id, groups, created_at, expires_at, revoked_at, used_at, address, name, replaces"
    };
}

impl Store {
    /// Creates all the enrollments or none. Returns the time of expiry. Returns `NotFound` if the
    /// key does not exist or is revoked.
    pub async fn create_enrollments(&self, new: NewEnrollments, audit: &AuditEntry) -> Result<Timestamp> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, new, &audit).await })).await
    }

    /// Lists the enrollments of a project or of all projects, optionally of one key.
    pub async fn enrollments(
        &self,
        project: Option<ProjectId>,
        key: Option<&AccessKeyId>,
        page: Page,
    ) -> Result<Vec<Enrollment>> {
        const SELECT: &str = concat!("SELECT ", enrollment_columns!(), " FROM enrolments WHERE 1 = 1");
        let enrollments = sql(SELECT)
            .push_some(" AND project_id = ", project)
            .push_some(" AND key_id = ", key)
            .push_some(" AND id > ", page.after)
            .push_value(" ORDER BY id LIMIT ", page.limit);
        self.all(enrollments).await?.into_iter().map(read).collect()
    }

    /// Revokes an enrollment. Returns false if there is no valid enrollment of this id.
    pub async fn revoke_enrollment(
        &self,
        within: Option<ProjectId>,
        id: EnrollmentId,
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

    /// Returns the digest of an enrollment's token, which never changes.
    pub async fn enrollment_token(&self, id: EnrollmentId) -> Result<Option<TokenDigest>> {
        const TOKEN: &str = "SELECT token_hash FROM enrolments WHERE id = $1";
        let found = self.all(sql(TOKEN).bind(id)).await?.into_iter().next();
        found.map(|mut row| digest(&mut row).map(TokenDigest)).transpose()
    }

    /// Enrols a device that has proved the token, with its password's verifier. The first device to
    /// use the token gets the address. The same device, recognized by its verifier, gets the same
    /// result whenever it repeats the call.
    pub async fn enroll(
        &self,
        id: EnrollmentId,
        fresh: [u8; 32],
        verifier: Verifier,
        audit: &AuditEntry,
    ) -> Result<Enrolled> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { enroll(db, id, fresh, verifier, &audit).await })).await
    }

    /// Deletes at most `limit` enrollments that expired before this time. Call it again while it
    /// deletes as many as the limit.
    pub async fn delete_old_enrollments(&self, before: Timestamp, limit: u32) -> Result<u64> {
        const OLD: &str = "DELETE FROM enrolments WHERE id IN ( \
            SELECT id FROM enrolments WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
        self.write(move |db| Box::pin(async move { db.run(sql(OLD).bind(before).bind(limit)).await })).await
    }
}

async fn create(db: &mut Connection<'_>, new: NewEnrollments, audit: &AuditEntry) -> Result<Timestamp> {
    // The statement selects the key, so a revoked key creates no enrollment even if the caller
    // looked it up before the revocation.
    const INSERT: &str = "INSERT INTO enrolments (id, token_hash, key_id, project_id, groups, created_at, expires_at, \
        name, replaces) \
        SELECT $1, $2, access_keys.id, access_keys.project_id, $4, clock.now, clock.now + $5, $6, $7 \
        FROM access_keys CROSS JOIN clock WHERE access_keys.id = $3 AND access_keys.revoked_at IS NULL \
        RETURNING project_id, expires_at";
    let groups = if new.groups.is_empty() { None } else { Some(json(&new.groups)?) };
    let mut until = Timestamp(0);
    for NewEnrollment { id, token, name } in new.tokens {
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

async fn enroll(
    db: &mut Connection<'_>,
    id: EnrollmentId,
    fresh: [u8; 32],
    verifier: Verifier,
    audit: &AuditEntry,
) -> Result<Enrolled> {
    // The update locks the row. Of two concurrent devices, the second sees the first one's result.
    const HOLD: &str = "UPDATE enrolments SET token_hash = token_hash WHERE id = $1 RETURNING \
        key_id, project_id, groups, revoked_at IS NOT NULL OR expires_at <= (SELECT now FROM clock), address, name, replaces";
    const STANDS: &str = "SELECT id FROM access_keys WHERE id = $1 AND revoked_at IS NULL";
    // An address that now connects cannot receive a device.
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
            action: AuditAction::AddressReplace,
            target: address.to_string(),
            project: Some(project),
            detail: Some(format!("by enrollment {id}{}", audit.detail.as_deref().unwrap_or_default())),
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
        detail: Some(format!("by enrollment {id}{}", audit.detail.as_deref().unwrap_or_default())),
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

fn read(mut row: Row) -> Result<Enrollment> {
    Ok(Enrollment {
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
