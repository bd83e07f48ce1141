//! The connector: a viewer's side. It opens a door; whoever comes through it is at the device.
//!
//! ```text
//! service   joins, asks whether the peer is there, then opens the door and takes viewers in
//! session   for each viewer: a ticket, a data connection, the end-to-end handshake, the device's word
//! ```

mod peer;
mod service;
mod session;

use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use transom_tunnel::{PublicKey, Refusal};

pub use peer::Peer;

use crate::control::Credentials;
use crate::door::Door;
use crate::identity::Identity;
use crate::introduction::Verify;
use crate::pipe::Ending;
use crate::server::Server;

/// A viewer's side.
#[derive(Clone, Debug)]
pub struct Connector {
    /// Where to join.
    pub server: Server,
    /// As whom.
    pub credentials: Credentials,
    /// This side's own key, and the keys that it knows.
    pub identity: Identity,
    /// Whom to reach.
    pub peer: Peer,
    /// The key that the peer must show; none: whichever it shows first is its key from then on.
    pub fingerprint: Option<PublicKey>,
    /// This program's own word on the peer's key, before it is kept and before a viewer's first byte passes.
    pub verify: Verify,
    /// Asked where the peer shows another key than it had, and the server says that its device was replaced, or its new key accepted:
    /// the word is the server's alone, so a person compares keys with the device's owner. None: such a key is refused like any other.
    pub renewed: Option<Verify>,
    /// Whether to wait until the peer listens.
    pub wait: bool,
    /// Whether the first session is opened before the door is: what is wrong at the device then is the error of
    /// [`Connector::run`], and no viewer is let in vain. A door for one viewer is always opened so.
    pub open_first: bool,
    /// How fast the relay may carry a session, in bytes a second; none: as fast as it goes (requirement S11).
    pub limit: Option<u32>,
}

/// What a connector tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer can be reached: viewers may come.
    Ready,
    /// The server is gone, because of this; tried again after that long. Sessions go on.
    Waiting(Refusal, Duration),
    /// Nobody may come any more, because of this, and trying again is of no use. Sessions go on; [`Connector::run`] ends
    /// with the last of them.
    Shut(Refusal),
    /// A viewer is at the device; the words are the same at the other end.
    Opened {
        /// The peer's key.
        key: PublicKey,
        /// For people who compare.
        phrase: String,
        /// It showed this key for the first time.
        new: bool,
        /// Why that key could not be written down: it is known until this program ends, and written as soon as that goes.
        unkept: Option<io::ErrorKind>,
    },
    /// A viewer came, and the device cannot be reached.
    Failed(Refusal),
    /// A viewer's session is over.
    Closed(Ending),
}

impl Connector {
    /// Joins, asks, and then serves the viewers that come through the door until told to stop, or until the one viewer of
    /// [`Door::stdio`] is done.
    ///
    /// An error before [`Event::Ready`] says why the peer cannot be reached; one after it, why nobody may come any more.
    pub async fn run(
        self,
        door: Door,
        tell: impl Fn(Event) + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Result<(), Refusal> {
        service::run(self, door, tell, stop).await
    }
}
