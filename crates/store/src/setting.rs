//! Settings: small values that the whole installation shares.

use crate::database::{Connection, sql};
use crate::{Result, Store, StoreError};

const VALUE: &str = "SELECT value FROM settings WHERE name = $1";

impl Store {
    /// Returns the value of a setting.
    pub async fn setting(&self, name: &'static str) -> Result<Option<Vec<u8>>> {
        let row = self.first(sql(VALUE).bind(name)).await?;
        row.map(|mut row| row.value()).transpose()
    }

    /// Sets a setting.
    pub async fn set_setting(&self, name: &'static str, value: &[u8]) -> Result<()> {
        let value = value.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                const SET: &str = "INSERT INTO settings (name, value) VALUES ($1, $2) \
                    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
                db.run(sql(SET).bind(name).bind(value.as_slice())).await.map(drop)
            })
        })
        .await
    }

    /// Sets a setting unless it is set, and returns the resulting value. If two nodes start at
    /// once, both get the same value.
    pub async fn set_setting_if_absent(&self, name: &str, value: &[u8]) -> Result<Vec<u8>> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.write(move |db| Box::pin(async move { settle(db, &name, &value).await })).await
    }
}

async fn settle(db: &mut Connection<'_>, name: &str, value: &[u8]) -> Result<Vec<u8>> {
    const OFFER: &str = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    db.run(sql(OFFER).bind(name).bind(value)).await?;
    match db.first(sql(VALUE).bind(name)).await? {
        Some(mut row) => row.value(),
        None => Err(StoreError::Corrupt(format!("no setting {name} right after it was set"))),
    }
}
