//! Access keys: creation, rotation and revocation.

use transom_model::access_key::{AccessKey, AccessKeyId, Role};
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::name;
use transom_model::secret::Secret;
use transom_store::{Ground, NewAccessKey, NewKeySecret, Page, Tally};
use uuid::Uuid;

use crate::Call;
use crate::access::Access;
use crate::error::{Error, Result, legible};
use crate::random;
use crate::revocations::held::{Revocation, Revoked};
use crate::vault::Purpose;

impl Access {
    /// Creates an access key. Returns its secret, which cannot be read again later.
    pub async fn create_key(
        &self,
        call: &Call,
        project: &str,
        name: &str,
        role: Role,
    ) -> Result<(AccessKey, Secret)> {
        let project = self.project_for(call, project, Role::Admin).await?;
        call.caller.need_secret()?;
        if name.chars().count() > name::KEY_NAME {
            return Err(Error::invalid("name", format!("must be at most {} characters", name::KEY_NAME)));
        }
        legible(name)?;
        let id = AccessKeyId::from_random(random::bytes());
        let (secret, sealed) = self.new_secret();
        let audit = AuditEntry { project: Some(project.id), ..call.entry(AuditAction::KeyCreate, &id) };
        let new = NewAccessKey { id, project: project.id, name: name.to_owned(), role, secret: sealed };
        Ok((self.core.store.create_key(new, &audit).await?, secret))
    }

    /// Returns the keys of one project, or of all projects that the caller manages.
    pub async fn keys(&self, call: &Call, project: Option<&str>, page: Page) -> Result<Vec<AccessKey>> {
        call.caller.need(Role::Admin)?;
        let project = match project {
            Some(project) => Some(self.project(call, project).await?.id),
            None => call.caller.project(),
        };
        Ok(self.core.store.keys(project, page).await?)
    }

    /// Adds a second secret to a key. The old one stays valid until it is retired.
    pub async fn rotate_key(&self, call: &Call, id: &AccessKeyId) -> Result<(AccessKey, Secret)> {
        let key = self.managed_key(call, id).await?;
        call.caller.need_secret()?;
        let (secret, sealed) = self.new_secret();
        let audit = AuditEntry { project: Some(key.project), ..call.entry(AuditAction::KeyRotate, id) };
        let key = self.core.store.add_key_secret(call.caller.project(), id, sealed, &audit).await?;
        Ok((key, secret))
    }

    /// Retires the older of a key's two secrets. Returns the number of links and sessions that
    /// ended.
    pub async fn retire_key_secret(&self, call: &Call, id: &AccessKeyId) -> Result<Tally> {
        let key = self.managed_key(call, id).await?;
        call.caller.need_secret()?;
        let audit = AuditEntry { project: Some(key.project), ..call.entry(AuditAction::KeyRetire, id) };
        let within = call.caller.project();
        let active = self.core.store.key_secrets(id).await?;
        let older = active.last().filter(|_| active.len() > 1);
        let Some(secret) = older.map(|own| own.id).filter(|own| !self.revocations.held.has_secret(*own))
        else {
            // There is only one secret. The store returns the matching error.
            self.core.store.retire_key_secret(within, id, &audit).await?;
            return Ok(Tally::default());
        };
        let ended = self.core.store.tally(Ground::Secret(id, secret)).await?;
        let what = Revoked::Secret { key: id.clone(), secret };
        self.revocations.revoke(Revocation { what, within, audit }).await?;
        Ok(ended)
    }

    /// Revokes a key and ends every console opened under it. Returns the number of links and
    /// sessions that ended.
    pub async fn revoke_key(&self, call: &Call, id: &AccessKeyId) -> Result<Tally> {
        let key = self.managed_key(call, id).await?;
        let audit = AuditEntry { project: Some(key.project), ..call.entry(AuditAction::KeyRevoke, id) };
        let within = call.caller.project();
        let ended = self.core.store.tally(Ground::Key(id)).await?;
        self.revocations.revoke(Revocation { what: Revoked::Key(id.clone()), within, audit }).await?;
        Ok(ended)
    }

    async fn managed_key(&self, call: &Call, id: &AccessKeyId) -> Result<AccessKey> {
        let key =
            self.core.store.key(call.caller.project(), id).await?.ok_or(Error::NotFound("access key"))?;
        call.caller.need(Role::Admin)?;
        Ok(key)
    }

    fn new_secret(&self) -> (Secret, NewKeySecret) {
        let (id, secret) = (Uuid::now_v7(), random::token());
        let sealed = self.core.vault.seal(Purpose::AccessKeySecret, &id.to_string(), &secret);
        (secret, NewKeySecret { id, sealed })
    }
}
