//! The monitor: reports which devices are online, and every change (requirement S10).

use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use transom_model::cloud::CloudAddress;
use transom_tunnel::message::MAX_WATCHED;
use transom_tunnel::{Availability, Message, Refusal, RefusalCode};

use crate::backoff::{Backoff, random};
use crate::control::{ControlConnection, Credentials, JoinAs};
use crate::error::SetupError;
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
    watched: Vec<WatchedPeer>,
}

#[derive(Clone, Debug)]
struct WatchedPeer {
    peer: CloudAddress,
    last: Availability,
}

impl Monitor {
    /// The most devices that one monitor watches.
    pub const MOST: usize = MAX_WATCHED;

    /// Watches these devices, at most [`MOST`](Self::MOST).
    pub fn new(
        server: Server,
        credentials: Credentials,
        peers: impl IntoIterator<Item = CloudAddress>,
    ) -> Result<Self, SetupError> {
        let new = |peer| WatchedPeer { peer, last: Availability::Unknown };
        let watched: Vec<_> = peers.into_iter().map(new).collect();
        if watched.len() > Self::MOST {
            return Err(SetupError::new(format_args!("a monitor watches at most {} devices", Self::MOST)));
        }
        Ok(Self { server, credentials, watched })
    }

    /// Reports every change until `stop` is cancelled, or until the server says that another
    /// attempt is of no use.
    ///
    /// A device is unknown at the start, while the server cannot be reached, and if this address
    /// may not connect to it.
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

    /// Reports changes over one control connection. Returns the reason why it ended.
    async fn follow(
        &mut self,
        tell: &(impl Fn(&CloudAddress, Availability) + Sync),
        backoff: &mut Backoff,
    ) -> Refusal {
        let joined = ControlConnection::join(&self.server, &self.credentials, JoinAs::Connector).await;
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
        let wrong = || {
            Refusal::from(RefusalCode::ProtocolError).because("the server reports a peer that is not watched")
        };
        watched.ok_or_else(wrong)?.see(*availability, tell);
        Ok(())
    }
}

impl WatchedPeer {
    fn see(&mut self, now: Availability, tell: &impl Fn(&CloudAddress, Availability)) {
        if std::mem::replace(&mut self.last, now) != now {
            tell(&self.peer, now);
        }
    }
}
