//! The credentials of instances, unsealed for the gateway.

use crate::error::Result;
use crate::inventory::Inventory;
use crate::vault::{CannotOpen, Purpose};
use transom_model::instance::{Instance, Sealed};
use transom_model::secret::Secret;

impl Inventory {
    /// Returns the instance's VNC password, unsealed.
    pub fn instance_password(&self, instance: &Instance) -> Result<Option<Secret>, CannotOpen> {
        self.open_sealed(Purpose::InstancePassword, instance, instance.security.password.as_ref())
    }

    /// Returns the key of the certificate that the gateway presents to the instance, unsealed.
    pub fn instance_key(&self, instance: &Instance) -> Result<Option<Secret>, CannotOpen> {
        self.open_sealed(Purpose::InstanceKey, instance, instance.security.key.as_ref())
    }

    /// Returns the headers of the request for a WebSocket, unsealed.
    pub fn instance_headers(&self, instance: &Instance) -> Result<Option<Secret>, CannotOpen> {
        self.open_sealed(Purpose::InstanceHeaders, instance, instance.security.headers.as_ref())
    }

    fn open_sealed(
        &self,
        purpose: Purpose,
        instance: &Instance,
        sealed: Option<&Sealed>,
    ) -> Result<Option<Secret>, CannotOpen> {
        sealed.map(|sealed| self.core.vault.open(purpose, &instance.uid.to_string(), sealed)).transpose()
    }
}
