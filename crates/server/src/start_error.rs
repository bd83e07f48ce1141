//! The reasons why a server does not start, and the next step for each.

use std::net::SocketAddr;
use std::path::PathBuf;

use transom_store::{DatabaseUrl, ParseDatabaseUrlError, StoreError};

use crate::data::DataError;
use crate::listener::certificate::TlsError;

/// The reason why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is no database to migrate.
    #[error("there is no database {path}", path = .path.display())]
    NoDatabase {
        /// The expected path.
        path: PathBuf,
    },
    /// The database cannot be opened.
    #[error("{database}: {error}")]
    Open {
        /// The database, displayed without its password.
        database: DatabaseUrl,
        /// The cause.
        error: StoreError,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database's URL is not valid.
    #[error(transparent)]
    Database(#[from] ParseDatabaseUrlError),
    /// The certificate cannot be used, or not be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The raw listener of devices cannot be opened.
    #[error("relay.listen: cannot listen on {address}: {source}")]
    RelayListener {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The address of the listener cannot be read.
    #[error("cannot read the listener's address: {0}")]
    Listener(#[from] std::io::Error),
    /// A listener of the repeater cannot be opened.
    #[error("the repeater cannot listen on {address}: {source}")]
    Repeater {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The existing cloud, for which this server is the front, cannot be used.
    #[error("openstack.{0}")]
    Cloud(String),
    /// The project for that cloud's consoles cannot be created.
    #[error(transparent)]
    Project(#[from] transom_app::Error),
    /// The secrets in the database are sealed with another master key.
    #[error("this database's secrets were encrypted with a different master key")]
    MasterKey {
        /// The path of the data folder's own key.
        path: PathBuf,
    },
    /// The database has secrets already, and the data folder has no master key.
    #[error("{path} is missing, but this database's secrets were encrypted with a master key", path = .path.display())]
    NoMasterKey {
        /// The expected path.
        path: PathBuf,
    },
    /// The listener's address cannot be part of a URL.
    #[error("the listener's address cannot be used in a URL: {0}")]
    Url(#[from] url::ParseError),
}

impl StartError {
    /// Returns the operator's next step, if the message does not name it already.
    #[must_use]
    pub fn next_step(&self) -> Option<String> {
        match self {
            Self::Data(DataError::Held { .. }) => {
                Some("Stop that server, or choose another folder: --data DIR.".to_owned())
            }
            Self::NoDatabase { .. } => Some(
                "Give the server's data folder: --data DIR. In a new folder, transom serve creates the database when it starts."
                    .to_owned(),
            ),
            Self::MasterKey { path } | Self::NoMasterKey { path } => Some(format!(
                "Copy the database's master key to {}, or give its path with --master-key-file. All nodes on one database \
                 need the first node's key.",
                path.display()
            )),
            Self::Open { database, error: StoreError::Unavailable(_) } if database.is_remote() => Some(
                "Check that PostgreSQL is running there, that the database exists (createdb transom), and that its user may log in."
                    .to_owned(),
            ),
            Self::RelayListener { .. } => Some(
                "The address is [relay] listen in the configuration. Choose another one, or stop the program that is listening there."
                    .to_owned(),
            ),
            Self::Repeater { .. } => Some(
                "The address is in [repeater] of the configuration. Choose another one, or stop the program that is listening there."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
