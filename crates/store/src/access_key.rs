//! Access keys and their secrets.

use transom_model::access_key::{AccessKey, AccessKeyId, Role};
use transom_model::audit::AuditEntry;
use transom_model::id::ProjectId;
use transom_model::instance::Sealed;
use transom_model::{EndReason, Timestamp};
use uuid::Uuid;

use crate::audit::write_down;
use crate::database::{Connection, Row, Sql, sql};
use crate::proof;
use crate::revision::raise;
use crate::session::end_waiting;
use crate::{Page, Result, Store, StoreError};

/// A new access key and its first secret.
#[derive(Clone, Debug)]
pub struct NewAccessKey {
    /// Its public id.
    pub id: AccessKeyId,
    /// The project that will own it.
    pub project: ProjectId,
    /// The display name.
    pub name: String,
    /// The rights of its holder.
    pub role: Role,
    /// Its first secret.
    pub secret: NewKeySecret,
}

/// A new secret of an access key.
#[derive(Clone, Debug)]
pub struct NewKeySecret {
    /// A fresh id. The caller chooses it before sealing, because the seal covers it as associated
    /// data.
    pub id: Uuid,
    /// The secret, sealed.
    pub sealed: Sealed,
}

/// An active secret of an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySecret {
    /// Its id.
    pub id: Uuid,
    /// The secret, sealed.
    pub sealed: Sealed,
    /// The time at which it was added.
    pub created_at: Timestamp,
}

macro_rules! key_columns {
    () => {
        "access_keys.id, access_keys.project_id, access_keys.name, access_keys.role, access_keys.active_secrets, \
         access_keys.created_at, access_keys.revoked_at"
    };
}
pub(crate) use key_columns;

const SELECT: &str = concat!("SELECT ", key_columns!(), " FROM access_keys WHERE 1 = 1");

/// `within` restricts an operation to keys of this project; `None` permits any key.
impl Store {
    /// Creates an access key. Returns `Conflict` if its id is taken, `NotFound` if the project does
    /// not exist.
    pub async fn create_key(&self, key: NewAccessKey, audit: &AuditEntry) -> Result<AccessKey> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { create(db, key, &audit).await })).await
    }

    /// Returns an access key, which may be revoked.
    pub async fn key(&self, within: Option<ProjectId>, id: &AccessKeyId) -> Result<Option<AccessKey>> {
        let key = sql(SELECT).push_value(" AND id = ", id).push_some(" AND project_id = ", within);
        self.first(key).await?.map(|mut row| read(&mut row)).transpose()
    }

    /// Lists access keys by id, including revoked ones.
    pub async fn keys(&self, within: Option<ProjectId>, page: Page) -> Result<Vec<AccessKey>> {
        let keys = sql(SELECT).push_some(" AND project_id = ", within).push_some(" AND id > ", page.after);
        let rows = self.all(keys.push_value(" ORDER BY id LIMIT ", page.limit)).await?;
        rows.into_iter().map(|mut row| read(&mut row)).collect()
    }

    /// Returns a key's active secrets, the newest first. A revoked key has none.
    pub async fn key_secrets(&self, id: &AccessKeyId) -> Result<Vec<KeySecret>> {
        Ok(self.key_with_secrets(id).await?.map(|(_, secrets)| secrets).unwrap_or_default())
    }

    /// Returns a key and its active secrets, the newest first, in the single read that
    /// authentication needs.
    pub async fn key_with_secrets(&self, id: &AccessKeyId) -> Result<Option<(AccessKey, Vec<KeySecret>)>> {
        const BOTH: &str = concat!(
            "SELECT ",
            key_columns!(),
            ", access_key_secrets.id, access_key_secrets.sealed, access_key_secrets.created_at \
             FROM access_keys LEFT JOIN access_key_secrets ON access_key_secrets.key_id = access_keys.id \
             WHERE access_keys.id = $1 ORDER BY access_key_secrets.serial DESC"
        );
        let mut found = None;
        for mut row in self.all(sql(BOTH).bind(id)).await? {
            let key = read(&mut row)?;
            let (_, secrets) = found.get_or_insert_with(|| (key, Vec::new()));
            if let Some(id) = row.parsed_or_null()? {
                secrets.push(KeySecret { id, sealed: Sealed(row.value()?), created_at: row.time()? });
            }
        }
        Ok(found)
    }

    /// Adds a second secret for a rotation. Returns `Conflict` if the key has two active secrets or
    /// is revoked, `NotFound` if it does not exist.
    pub async fn add_key_secret(
        &self,
        within: Option<ProjectId>,
        id: &AccessKeyId,
        secret: NewKeySecret,
        audit: &AuditEntry,
    ) -> Result<AccessKey> {
        let (id, audit) = (id.clone(), audit.clone());
        self.write(move |db| Box::pin(async move { add_secret(db, within, &id, &secret, &audit).await }))
            .await
    }

    /// Permanently retires the older of two secrets and raises the revision. Tokens, grants and
    /// viewer ids of the key that were created with the remaining secret stay valid. Returns
    /// `Conflict` if only one secret is active, `NotFound` if the key does not exist.
    pub async fn retire_key_secret(
        &self,
        within: Option<ProjectId>,
        id: &AccessKeyId,
        audit: &AuditEntry,
    ) -> Result<AccessKey> {
        let (id, audit) = (id.clone(), audit.clone());
        self.write_ending(move |db| Box::pin(async move { retire_secret(db, within, &id, &audit).await }))
            .await
    }

    /// Revokes a key, deletes its secrets, ends its sessions that wait for a page, and raises the
    /// revision. Returns false if the key does not exist or was already revoked.
    pub async fn revoke_key(
        &self,
        within: Option<ProjectId>,
        id: &AccessKeyId,
        audit: &AuditEntry,
    ) -> Result<bool> {
        let (id, audit) = (id.clone(), audit.clone());
        self.write_ending(move |db| Box::pin(async move { revoke(db, within, &id, &audit).await })).await
    }
}

async fn create(db: &mut Connection<'_>, key: NewAccessKey, audit: &AuditEntry) -> Result<AccessKey> {
    const INSERT: &str = concat!(
        "INSERT INTO access_keys (id, project_id, name, role, active_secrets, created_at) \
         VALUES ($1, $2, $3, $4, 1, (SELECT now FROM clock)) ON CONFLICT DO NOTHING RETURNING ",
        key_columns!()
    );
    let insert = sql(INSERT).bind(&key.id).bind(key.project).bind(key.name.as_str()).bind(key.role);
    let mut row =
        db.first(insert).await?.ok_or(StoreError::Conflict("an access key with this id already exists"))?;
    insert_secret(db, &key.id, &key.secret).await?;
    write_down(db, audit).await?;
    read(&mut row)
}

async fn insert_secret(db: &mut Connection<'_>, key: &AccessKeyId, secret: &NewKeySecret) -> Result<()> {
    const INSERT: &str = "INSERT INTO access_key_secrets (id, key_id, serial, sealed, created_at) \
        SELECT $1, $2, COALESCE(MAX(serial), 0) + 1, $3, (SELECT now FROM clock) \
        FROM access_key_secrets WHERE key_id = $2";
    db.run(sql(INSERT).bind(secret.id).bind(key).bind(&secret.sealed)).await.map(drop)
}

async fn add_secret(
    db: &mut Connection<'_>,
    within: Option<ProjectId>,
    id: &AccessKeyId,
    secret: &NewKeySecret,
    audit: &AuditEntry,
) -> Result<AccessKey> {
    // The update of the count comes first. It locks the key, so two concurrent rotations cannot
    // create a third secret.
    let raised = sql("UPDATE access_keys SET active_secrets = active_secrets + 1 \
                      WHERE active_secrets = 1 AND revoked_at IS NULL");
    let Some(key) = change(db, raised, within, id).await? else {
        return refused(db, within, id, "the access key has two secrets: retire the older one first").await;
    };
    insert_secret(db, id, secret).await?;
    write_down(db, audit).await?;
    Ok(key)
}

async fn retire_secret(
    db: &mut Connection<'_>,
    within: Option<ProjectId>,
    id: &AccessKeyId,
    audit: &AuditEntry,
) -> Result<(AccessKey, Vec<EndReason>)> {
    const DELETE: &str = "DELETE FROM access_key_secrets WHERE key_id = $1 \
        AND serial < (SELECT MAX(serial) FROM access_key_secrets WHERE key_id = $1)";
    let lowered = sql("UPDATE access_keys SET active_secrets = 1 WHERE active_secrets = 2");
    let Some(key) = change(db, lowered, within, id).await? else {
        return refused(db, within, id, "the access key has no older secret")
            .await
            .map(|key| (key, Vec::new()));
    };
    db.run(sql(DELETE).bind(id)).await?;
    raise(db).await?;
    proof::end_of_secret(db, id).await?;
    let waiting = end_waiting(db, " AND sessions.project_id = ", key.project).await?;
    write_down(db, audit).await?;
    Ok((key, waiting.write_down(db).await?))
}

async fn revoke(
    db: &mut Connection<'_>,
    within: Option<ProjectId>,
    id: &AccessKeyId,
    audit: &AuditEntry,
) -> Result<(bool, Vec<EndReason>)> {
    let revoked = sql("UPDATE access_keys SET active_secrets = 0, revoked_at = (SELECT now FROM clock) \
                       WHERE revoked_at IS NULL");
    let Some(key) = change(db, revoked, within, id).await? else { return Ok((false, Vec::new())) };
    db.run(sql("DELETE FROM access_key_secrets WHERE key_id = $1").bind(id)).await?;
    proof::end_of_key(db, id).await?;
    raise(db).await?;
    let waiting = end_waiting(db, " AND sessions.project_id = ", key.project).await?;
    write_down(db, audit).await?;
    Ok((true, waiting.write_down(db).await?))
}

/// Runs an update on one key.
async fn change(
    db: &mut Connection<'_>,
    update: Sql,
    within: Option<ProjectId>,
    id: &AccessKeyId,
) -> Result<Option<AccessKey>> {
    let update = update.push_value(" AND id = ", id).push_some(" AND project_id = ", within);
    let row = db.first(update.push(concat!(" RETURNING ", key_columns!()))).await?;
    row.map(|mut row| read(&mut row)).transpose()
}

/// Determines why a change of a key's secrets failed.
async fn refused(
    db: &mut Connection<'_>,
    within: Option<ProjectId>,
    id: &AccessKeyId,
    otherwise: &'static str,
) -> Result<AccessKey> {
    let key = sql(SELECT).push_value(" AND id = ", id).push_some(" AND project_id = ", within);
    let row = db.first(key).await?;
    Err(match row.map(|mut row| read(&mut row)).transpose()? {
        None => StoreError::NotFound("access key"),
        Some(key) if key.revoked_at.is_some() => StoreError::Conflict("the access key is revoked"),
        Some(_) => StoreError::Conflict(otherwise),
    })
}

pub(crate) fn read(row: &mut Row) -> Result<AccessKey> {
    Ok(AccessKey {
        id: row.parsed()?,
        project: row.parsed()?,
        name: row.value()?,
        role: row.parsed()?,
        active_secrets: row.count()?,
        created_at: row.time()?,
        revoked_at: row.time_or_null()?,
    })
}
