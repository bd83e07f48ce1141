//! The key by which the gateway knows a device.

use transom_model::cloud::{CloudAddress, Verifier};

use crate::database::sql;
use crate::{Result, Store};

impl Store {
    /// The key that the device of this address showed first since its password was set; this one, where it has shown none.
    /// `None` where the address was removed or has another password.
    pub async fn device_key(
        &self,
        address: &CloudAddress,
        password: &Verifier,
        shown: &str,
    ) -> Result<Option<String>> {
        const KNOWN: &str = "SELECT device_key FROM cloud_addresses WHERE address = $1 AND salt = $2";
        const MEET: &str = "UPDATE cloud_addresses SET device_key = COALESCE(device_key, $3) \
            WHERE address = $1 AND salt = $2 RETURNING device_key";
        // Every password has a salt of its own.
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
                // Of two that are shown at once, one is the first.
                let meet = sql(MEET).bind(&address).bind(salt.as_slice()).bind(shown.as_str());
                db.first(meet).await?.map(|mut row| row.value()).transpose()
            })
        })
        .await
    }

    /// Another key was shown than the one that is known: a person may accept it.
    async fn note_shown_key(&self, address: CloudAddress, salt: Vec<u8>, shown: String) -> Result<()> {
        const NOTE: &str = "UPDATE cloud_addresses SET shown_key = $3 WHERE address = $1 AND salt = $2 \
            AND (shown_key IS NULL OR shown_key <> $3)";
        let note = sql(NOTE).bind(&address).bind(salt.as_slice()).bind(shown.as_str());
        self.write(move |db| Box::pin(async move { db.run(note).await.map(drop) })).await
    }
}
