//! The settings of a connector.

use transom_tunnel::PublicKey;

use super::peer::Peer;
use crate::control::Credentials;
use crate::identity::Identity;
use crate::introduction::Verify;
use crate::server::Server;

/// A viewer's side.
#[derive(Clone, Debug)]
pub struct Connector {
    /// The server to join.
    pub server: Server,
    /// The address and password to join with.
    pub credentials: Credentials,
    /// This side's own key, and the keys that it knows.
    pub identity: Identity,
    /// The device to reach.
    pub peer: Peer,
    /// The key that the peer must show. If `None`, the first key that it shows becomes its key.
    pub fingerprint: Option<PublicKey>,
    /// The embedding program's check of the peer's key, before it is stored and before a viewer's
    /// first byte passes.
    pub verify: Verify,
    /// The check of a changed key, if the server says that the device was replaced or its new key
    /// accepted. Only the server says so, and therefore a person must compare keys with the
    /// device's owner. If `None`, such a key is refused like any other.
    pub renewed: Option<Verify>,
    /// True if the connector waits until the peer is online.
    pub wait: bool,
    /// True if the connector opens the first session before its door. A failure at the device is
    /// then the error of [`Connector::run`], and no viewer connects in vain. A door for one viewer
    /// always works like this.
    pub open_first: bool,
    /// The highest rate at which the relay may carry a session, in bytes a second. `None` sets no
    /// limit (requirement S11).
    pub limit: Option<u32>,
}
