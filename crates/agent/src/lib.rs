//! Agent and connector: the device's side and the viewer's side of sessions through a Transom server, for
//! `transom agent` and `transom connect`, and for products that carry them inside.
//!
//! A product that is to be reached:
//!
//! ```no_run
//! use tokio_util::sync::CancellationToken;
//! use transom_agent::{Agent, Credentials, Identity, Introduction, Policy, Server, Status, Targets, Verify};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let agent = Agent {
//!     server: Server::new("https://console.example.com", None, false)?,
//!     credentials: Credentials::new("tca….tck….tcr….tce…".parse()?, "the cloud password"),
//!     identity: Identity::open("/var/lib/panel/transom".as_ref())?,
//!     targets: Targets::parse(&["127.0.0.1:5900"])?,
//!     policy: Policy { verify: Verify::new(ask_the_owner), ..Policy::default() },
//! };
//! let tell = |status| match status {
//!     Status::Online => println!("it can be reached"),
//!     Status::Opened { peer, phrase, .. } => println!("{peer} is here: {phrase}"),
//!     other => println!("{other:?}"),
//! };
//! // Until it is told to stop, or the server says that a person has to do something.
//! agent.run(tell, CancellationToken::new()).await?;
//! # Ok(())
//! # }
//!
//! /// Asked before a key is kept as the peer's own, and before the first byte passes.
//! async fn ask_the_owner(peer: Introduction) -> bool {
//!     println!("{} shows the key {}; it reads you these words: {}", peer.peer, peer.key, peer.phrase);
//!     // Who has shown this key before needs no new consent. A first key waits for whoever stands at the panel.
//!     !peer.new || the_panel_says_yes().await
//! }
//! # async fn the_panel_says_yes() -> bool { true }
//! ```
//!
//! And one that reaches it, for a viewer of its own:
//!
//! ```no_run
//! use tokio_util::sync::CancellationToken;
//! use transom_agent::{Connector, Credentials, Door, Event, Identity, Server, Verify};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let door = Door::tcp(([127, 0, 0, 1], 0).into())?;
//! let place = door.address();
//! let connector = Connector {
//!     server: Server::new("https://console.example.com", None, false)?,
//!     credentials: Credentials::new("tca….tck….tcr….tce…".parse()?, "the cloud password"),
//!     identity: Identity::open("/home/me/.transom".as_ref())?,
//!     peer: "tca….tck….tcr….tce…/panel".parse()?,
//!     fingerprint: None,
//!     // As at the other end; `Verify::default()` takes a first key without asking.
//!     verify: Verify::new(async |peer| !peer.new || peer.key.to_string() == "what its label says"),
//!     // A device that was replaced, as the server says: here, nobody is there to be asked.
//!     renewed: None,
//!     wait: true,
//!     open_first: false,
//!     limit: None,
//! };
//! let tell = move |event| match event {
//!     Event::Ready => println!("viewers may come to {place:?}"),
//!     Event::Closed(ending) if ending.can_reconnect() => println!("lost; come again"),
//!     other => println!("{other:?}"),
//! };
//! connector.run(door, tell, CancellationToken::new()).await?;
//! # Ok(())
//! # }
//! ```

mod agent;
mod backoff;
mod connector;
mod control;
mod data;
mod desk;
mod door;
mod enrolment;
mod identity;
mod introduction;
mod local;
mod monitor;
mod outer;
mod pipe;
mod proxy;
mod server;
mod socket_path;
mod standby;
mod target;

pub use agent::{Agent, Filter, Policy, Status};
pub use connector::{Connector, Event, Peer};
pub use control::Credentials;
pub use door::Door;
pub use enrolment::{Enrolment, EnrolmentError};
pub use identity::{Acquaintance, Hold, Identity};
pub use introduction::{Introduction, Verify};
pub use monitor::Monitor;
pub use pipe::Ending;
pub use proxy::Proxy;
pub use server::Server;
pub use target::Targets;
use transom_folder::FolderError;
pub use transom_model::cloud::CloudAddress;
pub use transom_tunnel::trust;
pub use transom_tunnel::{Availability, Fault, PublicKey, Refusal, Retry};

/// Why an agent or a connector cannot even begin: a setting is wrong, or this machine has a fault.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct SetupError {
    sentence: String,
    passes: bool,
}

impl SetupError {
    /// A setting is wrong.
    pub(crate) fn new(sentence: impl std::fmt::Display) -> Self {
        Self { sentence: sentence.to_string(), passes: false }
    }

    /// This machine has a fault that may go by itself.
    pub(crate) fn passing(sentence: impl std::fmt::Display) -> Self {
        Self { passes: true, ..Self::new(sentence) }
    }

    /// Whether beginning again later is worth it: the cause may go by itself, as a full disk does, or whoever mends this machine
    /// need not know of the program. A setting stays wrong.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.passes
    }
}

impl From<FolderError> for SetupError {
    fn from(error: FolderError) -> Self {
        Self::passing(error)
    }
}

/// A connection that is not there, or no longer.
pub(crate) fn unreachable(why: impl std::fmt::Display) -> Refusal {
    Refusal::from(Fault::CloudConnectivityError).because(why.to_string())
}
