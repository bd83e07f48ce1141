//! Agent and connector: the device's side and the viewer's side of sessions through a Transom server, for
//! `transom agent` and `transom connect`, and for products that carry them inside.
//!
//! ```no_run
//! use tokio_util::sync::CancellationToken;
//! use transom_agent::{Agent, Credentials, Identity, Server, Targets};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let agent = Agent {
//!     server: Server::new("https://console.example.com", None, false)?,
//!     credentials: Credentials::new("tca….tck….tcr….tce…".parse()?, "the cloud password"),
//!     identity: Identity::open("/var/lib/panel/transom".as_ref())?,
//!     targets: Targets::parse(&["127.0.0.1:5900"])?,
//!     policy: Default::default(),
//! };
//! agent.run(|status| println!("{status:?}"), CancellationToken::new()).await?;
//! # Ok(())
//! # }
//! ```

mod agent;
mod backoff;
mod connector;
mod control;
mod data;
mod door;
mod enrolment;
mod identity;
mod local;
mod outer;
mod pipe;
mod proxy;
mod server;
mod standby;
mod target;

pub use agent::{Agent, Policy, Status};
pub use connector::{Connector, Event, Peer};
pub use control::Credentials;
pub use door::Door;
pub use enrolment::{Enrolment, EnrolmentError};
pub use identity::{Acquaintance, Identity};
pub use pipe::Ending;
pub use proxy::Proxy;
pub use server::Server;
pub use target::Targets;
pub use transom_tunnel::{Fault, PublicKey, Refusal, Retry};

/// Why an agent or a connector cannot even begin: a setting is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(pub(crate) String);

impl SetupError {
    pub(crate) fn new(sentence: impl std::fmt::Display) -> Self {
        Self(sentence.to_string())
    }
}

/// A connection that is not there, or no longer.
pub(crate) fn unreachable(why: impl std::fmt::Display) -> Refusal {
    Refusal::from(Fault::CloudConnectivityError).because(why.to_string())
}
