//! The database's schema, looked at or brought up to date by a command, without serving.

use std::path::Path;

use transom_store::{DatabaseUrl, Store};

pub use transom_store::SchemaPlan;

use crate::data::{self, DataFolder};
use crate::start_error::StartError;

/// What a server with these settings would do to its database's schema, and which database that is. Nothing is changed.
pub async fn examine(data: &Path, database: Option<&str>) -> Result<(DatabaseUrl, SchemaPlan), StartError> {
    let url = match database {
        Some(url) => DatabaseUrl::parse(url)?,
        None => DatabaseUrl::sqlite(data::database_in(data)),
    };
    match Store::examine(&url).await {
        Ok(plan) => Ok((url, plan)),
        Err(error) => Err(StartError::Open { database: url, error }),
    }
}

/// Brings the schema up to date. A server that uses the data folder keeps this out.
pub async fn apply(data: &Path, database: Option<&str>) -> Result<(), StartError> {
    let folder = DataFolder::open(data)?;
    let _lock = folder.lock()?;
    let (url, _) = examine(data, database).await?;
    match Store::open(&url).await {
        Ok(store) => {
            store.close().await;
            Ok(())
        }
        Err(error) => Err(StartError::Open { database: url, error }),
    }
}
