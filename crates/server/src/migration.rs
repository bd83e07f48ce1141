//! The commands that check or migrate a database's schema and a server's settings without serving.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use transom_store::{DatabaseUrl, Store};

pub use transom_store::SchemaPlan;

use crate::data::{self, DataFolder};
use crate::listener::certificate::Certificate;
use crate::start_error::StartError;
use transom_app::existing_cloud;
use transom_config::Config;

/// Returns the database of a server with these settings, and the changes that the server would make
/// to its schema. Changes nothing.
pub async fn examine(data: &Path, database: Option<&str>) -> Result<(DatabaseUrl, SchemaPlan), StartError> {
    let url = url(data, database)?;
    let path = data::database_in(data);
    if !url.is_remote() && missing(&path).is_some() {
        return Err(StartError::NoDatabase { path });
    }
    match Store::examine(&url).await {
        Ok(plan) => Ok((url, plan)),
        Err(error) => Err(StartError::Open { database: url, error }),
    }
}

/// Migrates the schema. Fails while a server uses the data folder. Creates neither folder nor file:
/// a new server creates its own when it starts.
pub async fn apply(data: &Path, database: Option<&str>) -> Result<(), StartError> {
    let (url, _) = examine(data, database).await?;
    let _lock = match missing(data) {
        None => Some(DataFolder::open(data)?.lock()?),
        // Without a folder, no server can be running in it.
        Some(_) => None,
    };
    match Store::open(&url).await {
        Ok(store) => {
            store.close().await;
            Ok(())
        }
        Err(error) => Err(StartError::Open { database: url, error }),
    }
}

/// Returns the things that a server with these settings would lack, each as a sentence: the data
/// folder, its database, and files that the configuration names.
///
/// Existing files are checked as a start would check them. Changes nothing.
pub fn lacks(data: &Path, database: Option<&str>, config: &Config) -> Vec<String> {
    let mut lacks = Vec::new();
    if let Some(why) = missing(data) {
        lacks.push(format!("there is no data folder {}: {why}", data.display()));
    } else if database.is_none()
        && let Some(why) = missing(&data::database_in(data))
    {
        lacks.push(format!("there is no database {}: {why}", data::database_in(data).display()));
    }
    let files = config.files().into_iter();
    let unread = files.filter_map(|(key, path)| {
        let error = File::open(path).err()?;
        Some(format!("{key}: cannot read {}: {error}", path.display()))
    });
    let unread: Vec<_> = unread.collect();
    if unread.is_empty() {
        lacks.extend(wrong(config));
    }
    lacks.extend(unread);
    lacks
}

/// Returns the faults in the content of files that would prevent a start.
fn wrong(config: &Config) -> impl Iterator<Item = String> {
    let tls = config.http.tls.as_ref().and_then(|files| Certificate::from_files(files).err());
    let cloud = existing_cloud::upstream(config).err().map(StartError::Cloud);
    tls.map(StartError::Tls).into_iter().chain(cloud).map(|error| error.to_string())
}

fn url(data: &Path, database: Option<&str>) -> Result<DatabaseUrl, StartError> {
    Ok(match database {
        Some(url) => DatabaseUrl::parse(url)?,
        None => DatabaseUrl::sqlite(data::database_in(data)),
    })
}

/// Returns the reason why the path is missing or cannot be examined.
fn missing(path: &Path) -> Option<io::Error> {
    fs::metadata(path).err()
}
