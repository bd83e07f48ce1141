//! The monitor: which devices can be reached now, told as it changes (requirement S10).

use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use transom_model::cloud::CloudAddress;
use transom_tunnel::message::MAX_WATCHED;
use transom_tunnel::{Availability, Fault, Message, Refusal};

use crate::SetupError;
use crate::backoff::{Backoff, random};
use crate::control::{Control, Credentials, Joins};
use crate::server::Server;

/// Watches devices from a connect address.
///
/// ```no_run
/// use tokio_util::sync::CancellationToken;
/// use transom_agent::{Availability, Credentials, Monitor, Server};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::new("https://console.example.com", None, false)?;
/// let own = Credentials::new("tca….tck….tcr….tce…".parse()?, "the cloud password");
/// let panel = "tca….tck….tcr….tce…".parse()?;
/// let tell = |device: &_, now| match now {
///     Availability::Available => println!("{device} can be reached"),
///     Availability::Unavailable => println!("{device} cannot be reached"),
///     Availability::Unknown => println!("nobody can tell of {device}"),
/// };
/// Monitor::new(server, own, [panel])?.run(tell, CancellationToken::new()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Monitor {
    server: Server,
    credentials: Credentials,
    watched: Vec<Watched>,
}

#[derive(Clone, Debug)]
struct Watched {
    peer: CloudAddress,
    last: Availability,
}

impl Monitor {
    /// How many devices one monitor watches.
    pub const MOST: usize = MAX_WATCHED;

    /// Watches these devices, at most [`MOST`](Self::MOST).
    pub fn new(
        server: Server,
        credentials: Credentials,
        peers: impl IntoIterator<Item = CloudAddress>,
    ) -> Result<Self, SetupError> {
        let new = |peer| Watched { peer, last: Availability::Unknown };
        let watched: Vec<_> = peers.into_iter().map(new).collect();
        if watched.len() > Self::MOST {
            return Err(SetupError::new(format_args!("a monitor watches {} devices at most", Self::MOST)));
        }
        Ok(Self { server, credentials, watched })
    }

    /// Tells of every change until told to stop, or until the server says that trying again is of no use. At the beginning,
    /// and while the server is not there, each device is unknown; so is one that this address may not connect to.
    pub async fn run(
        mut self,
        tell: impl Fn(&CloudAddress, Availability) + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Result<(), Refusal> {
        let mut backoff = Backoff::default();
        loop {
            let lost = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                lost = self.follow(&tell, &mut backoff) => lost,
            };
            for watched in &mut self.watched {
                watched.see(Availability::Unknown, &tell);
            }
            let Some(wait) = backoff.after(&lost, random()) else { return Err(lost) };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(wait) => {}
            }
        }
    }

    /// Follows until the connection is lost: why.
    async fn follow(
        &mut self,
        tell: &(impl Fn(&CloudAddress, Availability) + Sync),
        backoff: &mut Backoff,
    ) -> Refusal {
        let joined = Control::join(&self.server, &self.credentials, Joins::Connector).await;
        let mut control = match joined {
            Ok(control) => control,
            Err(refusal) => return refusal,
        };
        for (call, watched) in (0..).zip(&self.watched) {
            let peer = watched.peer.to_string();
            if let Err(refusal) = control.send(&Message::Watch { call, peer }).await {
                return refusal;
            }
        }
        backoff.reset();
        loop {
            let next_beat = control.next_beat();
            let done = tokio::select! {
                message = control.receive() => message.and_then(|message| self.heard(&message, tell)),
                () = sleep_until(next_beat) => control.beat().await,
            };
            if let Err(refusal) = done {
                return refusal;
            }
        }
    }

    fn heard(
        &mut self,
        message: &Message,
        tell: &(impl Fn(&CloudAddress, Availability) + Sync),
    ) -> Result<(), Refusal> {
        let Message::Seen { call, availability } = message else { return Ok(()) };
        let watched = usize::try_from(*call).ok().and_then(|n| self.watched.get_mut(n));
        let wrong = || Refusal::from(Fault::ProtocolError).because("the server tells of who is not watched");
        watched.ok_or_else(wrong)?.see(*availability, tell);
        Ok(())
    }
}

impl Watched {
    fn see(&mut self, now: Availability, tell: &impl Fn(&CloudAddress, Availability)) {
        if std::mem::replace(&mut self.last, now) != now {
            tell(&self.peer, now);
        }
    }
}
