//! The key by which the gateway recognizes a device.

use transom_model::cloud::{CloudAddress, Verifier};

use crate::database::sql;
use crate::{Result, Store};

impl Store {
    /// Returns the first key that this address's device presented since its password was set. If
    /// there is none, records the given key and returns it. Returns `None` if the address was
    /// removed or has a different password.
    pub async fn device_key(
        &self,
        address: &CloudAddress,
        password: &Verifier,
        shown: &str,
    ) -> Result<Option<String>> {
        const KNOWN: &str = "SELECT device_key FROM cloud_addresses WHERE address = $1 AND salt = $2";
        const MEET: &str = "UPDATE cloud_addresses SET device_key = COALESCE(device_key, $3) \
            WHERE address = $1 AND salt = $2 RETURNING device_key";
        // Each password has its own salt, which identifies it here.
        let (address, salt, shown) = (address.clone(), password.salt.clone(), shown.to_owned());
        let known = sql(KNOWN).bind(&address).bind(salt.as_slice());
        let Some(mut row) = self.first(known).await? else { return Ok(None) };
        if let Some(known) = row.value::<Option<String>>()? {
            if known != shown {
                self.note_shown_key(address, salt, shown).await?;
            }
            return Ok(Some(known));
        }
        self.write(move |db| {
            Box::pin(async move {
                // Of two keys presented at once, one is recorded first.
                let meet = sql(MEET).bind(&address).bind(salt.as_slice()).bind(shown.as_str());
                db.first(meet).await?.map(|mut row| row.value()).transpose()
            })
        })
        .await
    }

    /// Records that the device presented a different key than the trusted one. A person may accept
    /// it.
    async fn note_shown_key(&self, address: CloudAddress, salt: Vec<u8>, shown: String) -> Result<()> {
        const NOTE: &str = "UPDATE cloud_addresses SET shown_key = $3 WHERE address = $1 AND salt = $2 \
            AND (shown_key IS NULL OR shown_key <> $3)";
        let note = sql(NOTE).bind(&address).bind(salt.as_slice()).bind(shown.as_str());
        self.write(move |db| Box::pin(async move { db.run(note).await.map(drop) })).await
    }
}
