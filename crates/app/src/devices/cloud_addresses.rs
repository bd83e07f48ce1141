//! Cloud addresses: issuing, changing, resetting, moving and removing them.

use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use transom_model::access_key::{AccessKeyId, Role};
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::cloud::{AddressRecord, Amendment, CloudAddress, CloudPassword};
pub use transom_store::{AddressChange, AddressQuery, Precondition, Scope};
use transom_store::{Guarded, NewAddress};

use crate::Call;
use crate::Page;
use crate::devices::Devices;
use crate::error::{Error, Result, legible};
use crate::random;
use crate::revocations::held::{Revocation, Revoked};
use crate::vault::Purpose;

/// A call about addresses, with the scope that it sees.
#[derive(Clone, Debug)]
pub struct AddressCall {
    /// The call.
    pub call: Call,
    /// The addresses that it can see.
    pub scope: Scope,
}

impl AddressCall {
    /// Creates a call of the native API. A key manages its project's addresses.
    #[must_use]
    pub fn native(call: Call) -> Self {
        let scope = call.caller.project().map_or(Scope::All, Scope::Project);
        Self { call, scope }
    }

    /// Creates a call that sees only the addresses of this key.
    #[must_use]
    pub fn of_key(call: Call, key: AccessKeyId) -> Self {
        Self { call, scope: Scope::Key(key) }
    }

    pub(crate) fn entry(&self, action: AuditAction, address: &CloudAddress) -> AuditEntry {
        self.call.entry(action, address)
    }
}

/// The number of attempts to amend an address while other calls change it.
const AMEND_ATTEMPTS: u32 = 8;

/// The longest name of a device, in characters. Instances have the same limit.
const MAX_NAME: usize = 128;

/// The length of a cursor's tag. 16 bytes of an HMAC-SHA-256 cannot be guessed.
const CURSOR_TAG: usize = 16;

impl Devices {
    /// Issues an address under a key. Returns its password, which cannot be read again later.
    pub async fn issue_address(
        &self,
        asked: &AddressCall,
        key: &AccessKeyId,
        change: impl Into<AddressChange>,
    ) -> Result<(AddressRecord, CloudPassword)> {
        asked.call.caller.need(Role::Member)?;
        asked.call.caller.need_secret()?;
        let AddressChange { reach, name } = change.into();
        let name = name.map(device_name).transpose()?.filter(|name| !name.is_empty());
        let key = self.core.store.key(asked.call.caller.project(), key).await?;
        let key = key.filter(|key| key.revoked_at.is_none()).ok_or(Error::NotFound("access key"))?;
        let address = CloudAddress::issue(key.project, &key.id, random::bytes());
        let password = CloudPassword::from_random(random::bytes());
        let verifier = password.verifier(random::bytes());
        let audit =
            AuditEntry { project: Some(key.project), ..asked.entry(AuditAction::AddressCreate, &address) };
        let new = NewAddress { address, key: key.id, name, reach, verifier };
        Ok((self.core.store.create_address(new, &audit).await?, password))
    }

    /// Returns an address.
    pub async fn address(&self, asked: &AddressCall, address: &CloudAddress) -> Result<AddressRecord> {
        self.core.store.address(&asked.scope, address).await?.ok_or(NO_ADDRESS)
    }

    /// Returns whether every live node enforces the address in its current state.
    pub async fn address_in_force(&self, asked: &AddressCall, address: &CloudAddress) -> Result<bool> {
        self.core.store.address_in_force(&asked.scope, address).await?.ok_or(NO_ADDRESS)
    }

    /// Lists a key's addresses after this number, in the order in which the key received them, each
    /// with its number.
    pub async fn key_addresses(
        &self,
        key: &AccessKeyId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, CloudAddress)>> {
        Ok(self.core.store.key_addresses(key, after, limit).await?)
    }

    /// Lists addresses, sorted by their text.
    pub async fn addresses(
        &self,
        asked: &AddressCall,
        mut query: AddressQuery,
        page: Page,
    ) -> Result<Vec<AddressRecord>> {
        if let Some(own) = asked.call.caller.project() {
            query.project = Some(own);
        }
        Ok(self.core.store.addresses(&query, page).await?)
    }

    /// Replaces an address's action and access lists, and its name if one is given.
    pub async fn change_address(
        &self,
        asked: &AddressCall,
        address: &CloudAddress,
        change: impl Into<AddressChange>,
        condition: Precondition,
    ) -> Result<AddressRecord> {
        let AddressChange { reach, name } = change.into();
        let change = AddressChange { reach, name: name.map(device_name).transpose()? };
        let audit = self.managed_address(asked, address, AuditAction::AddressChange).await?;
        self.done(self.core.store.change_address(&asked.scope, address, change, condition, &audit).await?)
    }

    /// Changes only the parts of an address that the amendment names.
    pub async fn amend_address(
        &self,
        asked: &AddressCall,
        address: &CloudAddress,
        amendment: Amendment,
    ) -> Result<AddressRecord> {
        for _ in 0..AMEND_ATTEMPTS {
            let record = self.address(asked, address).await?;
            let draft = amendment.clone().apply(&record.reach);
            let reach = draft.check().map_err(|fault| {
                // The amendment is valid for other addresses. It conflicts with this one's action.
                if amendment.fits_any() {
                    Error::Conflict(fault.to_string())
                } else {
                    Error::invalid("address", fault)
                }
            })?;
            let condition = Precondition::OneOf(vec![record.version]);
            let change = AddressChange { reach, name: amendment.name.clone() };
            match self.change_address(asked, address, change, condition).await {
                Err(Error::Stale) => {}
                outcome => return outcome,
            }
        }
        Err(Error::Stale)
    }

    /// Gives an address a new password. Returns the password, which cannot be read again later.
    pub async fn reset_address(
        &self,
        asked: &AddressCall,
        address: &CloudAddress,
        condition: Precondition,
    ) -> Result<(AddressRecord, CloudPassword)> {
        let audit = self.managed_address(asked, address, AuditAction::AddressReset).await?;
        asked.call.caller.need_secret()?;
        let password = CloudPassword::from_random(random::bytes());
        let verifier = password.verifier(random::bytes());
        let reset = self.core.store.reset_address(&asked.scope, address, verifier, condition, &audit).await?;
        Ok((self.done(reset)?, password))
    }

    /// Moves an address to another access key that the caller manages.
    pub async fn move_address(
        &self,
        asked: &AddressCall,
        address: &CloudAddress,
        to: &AccessKeyId,
    ) -> Result<AddressRecord> {
        asked.call.caller.need(Role::Admin)?;
        let audit = self.managed_address(asked, address, AuditAction::AddressMove).await?;
        let to = self.core.store.key(asked.call.caller.project(), to).await?;
        let to = to.filter(|key| key.revoked_at.is_none()).ok_or(Error::NotFound("access key"))?;
        let audit = AuditEntry { detail: Some(format!("to {}", to.id)), ..audit };
        self.done(self.core.store.move_address(&asked.scope, address, &to.id, &audit).await?)
    }

    /// Removes an address permanently.
    pub async fn remove_address(
        &self,
        asked: &AddressCall,
        address: &CloudAddress,
        condition: Precondition,
    ) -> Result<()> {
        let audit = self.managed_address(asked, address, AuditAction::AddressRemove).await?;
        // Checked here as well: a held revocation must not cut sessions for a condition that does
        // not hold.
        let version = self.address(asked, address).await?.version;
        let condition = match condition {
            Precondition::Any => Precondition::Any,
            // The condition is stored, so a long list is reduced to the current version.
            listed if listed.holds(version) => Precondition::OneOf(vec![version]),
            _ => return Err(Error::Stale),
        };
        let what = Revoked::Address { address: address.clone(), scope: asked.scope.clone(), condition };
        let within = asked.call.caller.project();
        if self.revocations.revoke(Revocation { what, within, audit }).await? {
            Ok(())
        } else {
            Err(NO_ADDRESS)
        }
    }

    /// Returns a cursor into a key's list. Only this server can create it; it is bound to the key
    /// and the page length.
    #[must_use]
    pub fn address_cursor(&self, key: &AccessKeyId, limit: u32, after: i64) -> String {
        let after = after.to_be_bytes();
        URL_SAFE_NO_PAD.encode([&after[..], &self.cursor_tag(key, limit, after)].concat())
    }

    /// Reads a cursor. Returns `None` if it was not created for this key and page length.
    #[must_use]
    pub fn read_address_cursor(&self, key: &AccessKeyId, limit: u32, cursor: &str) -> Option<i64> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (after, tag) = bytes.split_first_chunk::<8>()?;
        let expected = self.cursor_tag(key, limit, *after);
        constant_time::verify_slices_are_equal(tag, &expected).ok()?;
        Some(i64::from_be_bytes(*after))
    }

    fn cursor_tag(&self, key: &AccessKeyId, limit: u32, after: [u8; 8]) -> [u8; CURSOR_TAG] {
        let message = [key.as_str().as_bytes(), &limit.to_be_bytes(), &after].concat();
        let tag = self.core.vault.sign(Purpose::ListCursor, &message);
        std::array::from_fn(|n| tag[n])
    }

    /// Returns the audit entry of a change. Fails if the caller may not change the address.
    async fn managed_address(
        &self,
        asked: &AddressCall,
        address: &CloudAddress,
        action: AuditAction,
    ) -> Result<AuditEntry> {
        let record = self.address(asked, address).await?;
        asked.call.caller.need(Role::Member)?;
        Ok(AuditEntry { project: Some(record.project), ..asked.entry(action, address) })
    }

    pub(crate) fn done<T>(&self, outcome: Guarded<T>) -> Result<T> {
        match outcome {
            Guarded::Done(value) => {
                self.core.signals.ring();
                Ok(value)
            }
            Guarded::Missing => Err(NO_ADDRESS),
            Guarded::Stale => Err(Error::Stale),
        }
    }
}

/// Checks a device's name.
pub(crate) fn device_name(name: String) -> Result<String> {
    legible(&name)?;
    if name.chars().count() > MAX_NAME {
        return Err(Error::invalid("name", format!("must have at most {MAX_NAME} characters")));
    }
    Ok(name)
}

const NO_ADDRESS: Error = Error::NotFound("cloud address");
