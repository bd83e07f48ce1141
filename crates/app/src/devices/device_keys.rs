//! Keys of endpoints: the gateway's own, by which agents recognise it, and the pinned keys of
//! agents.

use transom_model::EndReason;
use transom_model::cloud::CloudAddress;
use transom_model::end_reason::End;
use transom_model::instance::Sealed;
use transom_model::secret::Secret;
use transom_tunnel::{EndpointKey, PublicKey};

use crate::devices::Devices;
use crate::error::{Error, Result};
use crate::vault::Purpose;

const OWN_KEY: &str = "gateway-endpoint-key";

impl Devices {
    /// Returns the key that the gateway presents to agents. The whole installation has one key. It
    /// is generated at first use.
    pub async fn gateway_key(&self) -> Result<&EndpointKey> {
        self.joined.key.get_or_try_init(|| self.load_gateway_key()).await
    }

    async fn load_gateway_key(&self) -> Result<EndpointKey> {
        let fresh = EndpointKey::generate().map_err(Error::internal)?;
        let text = Secret::new(hex::encode(fresh.pkcs8()));
        let sealed = self.core.vault.seal(Purpose::GatewayKey, OWN_KEY, &text);
        let stands = self.core.store.set_setting_if_absent(OWN_KEY, &sealed.0).await?;
        let opened =
            self.core.vault.open(Purpose::GatewayKey, OWN_KEY, &Sealed(stands)).map_err(Error::internal)?;
        let pkcs8 = hex::decode(opened.expose()).map_err(Error::internal)?;
        EndpointKey::from_pkcs8(&pkcs8).map_err(Error::internal)
    }

    /// Checks that a device presents the key that it presented first. A reset of the address's
    /// password forgets that key.
    pub async fn check_device_key(&self, address: &CloudAddress, shown: PublicKey) -> Result<(), End> {
        let pinned = self.pinned_key(address, shown).await.map_err(|error| {
            tracing::warn!(%error, "a device's key could not be compared");
            End::from(EndReason::StoreUnavailable)
        })?;
        match pinned {
            Some(before) if before == shown.to_string() => Ok(()),
            Some(before) => {
                let detail = format!("it had {before}, but now presents {shown}");
                Err(End::new(EndReason::DeviceKeyChanged, detail))
            }
            None => Err(End::new(EndReason::DeviceOffline, "there is no such cloud address")),
        }
    }

    async fn pinned_key(&self, address: &CloudAddress, shown: PublicKey) -> Result<Option<String>> {
        let Some((_, verifier)) = self.core.store.standing_address(address).await? else { return Ok(None) };
        Ok(self.core.store.device_key(address, &verifier, &shown.to_string()).await?)
    }
}
