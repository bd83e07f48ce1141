//! Why a server does not start, and what to do about it.

use std::net::SocketAddr;
use std::path::PathBuf;

use transom_store::{DatabaseUrl, ParseDatabaseUrlError, StoreError};

use crate::data::DataError;
use crate::listener::tls::TlsError;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is no database to bring up to date.
    #[error("there is no database {path}", path = .path.display())]
    NoDatabase {
        /// Where it would be.
        path: PathBuf,
    },
    /// The database cannot be opened.
    #[error("{database}: {error}")]
    Open {
        /// Which; it is shown without its password.
        database: DatabaseUrl,
        /// Why.
        error: StoreError,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database's URL.
    #[error(transparent)]
    Database(#[from] ParseDatabaseUrlError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The raw listener of devices cannot be opened.
    #[error("relay.listen: cannot listen on {address}: {source}")]
    RelayListener {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The listener has no address.
    #[error("the listener has no address: {0}")]
    Listener(#[from] std::io::Error),
    /// A listener of the repeater.
    #[error("the repeater cannot listen on {address}: {source}")]
    Repeater {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The existing cloud that we are to stand in front of.
    #[error("openstack.{0}")]
    Cloud(String),
    /// The project for the consoles of that cloud.
    #[error(transparent)]
    Project(#[from] transom_app::Error),
    /// The master key does not fit the database.
    #[error("the master key is not the one that this database's secrets are sealed with")]
    MasterKey {
        /// Where the data folder's own is.
        path: PathBuf,
    },
    /// The database has secrets already, and the data folder has no master key.
    #[error("{path} is missing, and this database's secrets are sealed with a master key", path = .path.display())]
    NoMasterKey {
        /// Where it would be.
        path: PathBuf,
    },
    /// The address cannot stand in a URL.
    #[error("the listener's address does not make a URL: {0}")]
    Url(#[from] url::ParseError),
}

impl StartError {
    /// What to do about it, where that is not said already.
    #[must_use]
    pub fn next_step(&self) -> Option<String> {
        match self {
            Self::Data(DataError::Held { .. }) => {
                Some("Stop that server, or name another folder: --data DIR.".to_owned())
            }
            Self::NoDatabase { .. } => Some(
                "Name the server's data folder: --data DIR. In a new one transom serve makes the database when it starts."
                    .to_owned(),
            ),
            Self::MasterKey { path } | Self::NoMasterKey { path } => Some(format!(
                "Put the database's own at {}, or name it with --master-key-file. All nodes on one database need the \
                 first one's.",
                path.display()
            )),
            Self::Open { database, error: StoreError::Unavailable(_) } if database.is_remote() => Some(
                "PostgreSQL must run there, the database exist (createdb transom), and its user be let in."
                    .to_owned(),
            ),
            Self::RelayListener { .. } => Some(
                "[relay] listen of the configuration says where: name another address, or end who listens there."
                    .to_owned(),
            ),
            Self::Repeater { .. } => Some(
                "[repeater] of the configuration says where: name another address, or end who listens there."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
