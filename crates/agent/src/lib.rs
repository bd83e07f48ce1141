//! Agent and connector: the device's side and the viewer's side of sessions through a Transom
//! server. They serve `transom agent` and `transom connect`, and products that embed them.
//!
//! Both programs below also stand in `examples/`, ready to run against a server:
//!
//! ```text
//! cargo run -p transom-agent --example agent -- SERVER LISTEN PASSWORD-FILE FOLDER TARGET…
//! cargo run -p transom-agent --example connector -- SERVER CONNECT PASSWORD-FILE FOLDER LISTEN
//! ```
//!
//! A product that peers can reach:
//!
//! ```no_run
//! use tokio_util::sync::CancellationToken;
//! use transom_agent::{
//!     Agent, Credentials, Identity, Introduction, Policy, Server, Status, Targets, Verify,
//! };
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
//! // Runs until it is told to stop, or until the server says that a person has to act.
//! agent.run(tell, CancellationToken::new()).await?;
//! # Ok(())
//! # }
//!
//! /// Asks the owner before a key is stored as the peer's own, and before the first byte passes.
//! async fn ask_the_owner(peer: Introduction) -> bool {
//!     let Introduction { peer: address, key, phrase, new, .. } = peer;
//!     println!("{address} presents the key {key}. Compare these words with it: {phrase}");
//!     // A known key needs no new consent. For a first key, a person at the panel decides.
//!     !new || the_panel_says_yes().await
//! }
//! # async fn the_panel_says_yes() -> bool { true }
//! ```
//!
//! A product that reaches it, for a viewer of its own:
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
//!     // The check of the device's key. `Verify::default()` accepts a first key without asking.
//!     verify: Verify::new(async |peer| !peer.new || peer.key.to_string() == "as on its label"),
//!     // A replaced device is refused, since there is no person to ask.
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
mod door;
mod enrollment;
mod error;
mod identity;
mod introduction;
mod local;
mod monitor;
mod peer_session;
mod pipe;
mod policy;
mod proxy;
mod server;
mod server_connection;
mod socket_path;
mod standby;
mod status;
mod target;
mod unreached_relay;

pub use agent::Agent;
pub use connector::{Connector, Event, Peer};
pub use control::Credentials;
pub use door::Door;
pub use enrollment::{Enrollment, EnrollmentError};
pub use error::SetupError;
pub use identity::{FolderLock, Identity, KeyStatus};
pub use introduction::{Introduction, Verify};
pub use monitor::Monitor;
pub use pipe::Ending;
pub use policy::{AddressFilter, Policy};
pub use proxy::Proxy;
pub use server::Server;
pub use status::Status;
pub use target::Targets;
pub use transom_model::cloud::CloudAddress;
pub use transom_tunnel::trust;
pub use transom_tunnel::{Availability, PublicKey, Refusal, RefusalCode, Retry};
