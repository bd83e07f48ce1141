//! Devices with a new key: one that replaced another device, and one whose new key was accepted.

use transom_model::access_key::Role;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::cloud::{Action, AddressRecord, CloudAddress};
use transom_tunnel::{PublicKey, Renewal};

use crate::devices::Devices;
use crate::devices::cloud_addresses::AddressCall;
use crate::error::{Error, Result};

impl Devices {
    /// Accepts a device's new key for consoles: the given key, or else the one that the device last
    /// presented. The password does not change.
    pub async fn accept_device_key(
        &self,
        asked: &AddressCall,
        address: &CloudAddress,
        key: Option<PublicKey>,
    ) -> Result<AddressRecord> {
        let record = self.address(asked, address).await?;
        asked.call.caller.need(Role::Member)?;
        if record.reach.action() != Action::Listen {
            return Err(Error::Conflict(
                "it is a connect address: consoles require a listen address".to_owned(),
            ));
        }
        let unseen = || {
            Error::Conflict(
                "its device has not presented a key yet: give the key, or open a console first, which is refused and records the key".to_owned(),
            )
        };
        let key = match key {
            Some(key) => key.to_string(),
            None => record.device.key.ok_or_else(unseen)?,
        };
        let before = record.device.trusted_key.unwrap_or_else(|| "none".to_owned());
        let audit = AuditEntry {
            project: Some(record.project),
            detail: Some(format!("{key}, before: {before}")),
            ..asked.entry(AuditAction::AddressAcceptKey, address)
        };
        self.done(self.core.store.accept_device_key(&asked.scope, address, &key, &audit).await?)
    }

    /// Returns the server's statement about the device's key, for a connector that may know another
    /// one: the device was replaced, or its new key was accepted.
    pub async fn renewal_of(&self, record: &AddressRecord) -> Option<Renewal> {
        let at = record.device.renewed_at?;
        let key: PublicKey = record.device.trusted_key.as_ref()?.parse().ok()?;
        let signed = async {
            let seconds = u64::try_from(at.0 / 1_000_000).map_err(Error::internal)?;
            let signer = self.gateway_key().await?;
            Renewal::sign(signer, record.address.as_str(), key, seconds).map_err(Error::internal)
        };
        match signed.await {
            Ok(renewal) => Some(renewal),
            Err(error) => {
                tracing::warn!(%error, "a connector could not be told about a device's new key");
                None
            }
        }
    }
}
