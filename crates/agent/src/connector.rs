//! The connector: a viewer's side. It opens a local port; whoever connects to that is at the device.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use transom_model::cloud::CloudAddress;
use transom_tunnel::opening::{self, Outcome};
use transom_tunnel::{
    DATA_PATH, Fault, Message, PublicKey, Refusal, Role, TICKET_HEADER, Ticket, end_to_end, peer_key,
};

use crate::backoff::{Backoff, random};
use crate::control::{Control, Credentials};
use crate::identity::{Acquaintance, Identity};
use crate::outer::Outer;
use crate::pipe::{pipe, reset};
use crate::server::Server;
use crate::{SetupError, unreachable};

/// The agent dials back, both ends shake hands, and the agent dials its target.
const OPEN: Duration = Duration::from_secs(45);

/// Whom to reach: `ADDRESS` for its first target, `ADDRESS/NAME` for the one of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The listen address.
    pub address: CloudAddress,
    /// The name of one of its targets; empty: the first.
    pub target: String,
}

impl FromStr for Peer {
    type Err = SetupError;
    fn from_str(text: &str) -> Result<Self, SetupError> {
        let (address, target) = text.split_once('/').unwrap_or((text, ""));
        let address = address.parse().map_err(SetupError::new)?;
        if target.len() > opening::MAX_TEXT {
            return Err(SetupError::new("the target's name is too long"));
        }
        Ok(Self { address, target: target.to_owned() })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[vnccloud:{}]", self.address)
    }
}

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
    /// Whether to wait until the peer listens.
    pub wait: bool,
}

/// What a connector tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer can be reached: viewers may come.
    Ready,
    /// The server is gone, because of this; tried again after that long. Sessions go on.
    Waiting(Refusal, Duration),
    /// A viewer is at the device; the words are the same at the other end.
    Opened {
        /// The peer's key.
        key: PublicKey,
        /// For people who compare.
        phrase: String,
        /// It showed this key for the first time.
        new: bool,
    },
    /// A viewer came, and the device cannot be reached.
    Failed(Refusal),
    /// A viewer's session is over; `lost`: not by anybody's wish.
    Closed {
        /// Whether a connection was lost.
        lost: bool,
    },
}

type Tell = Arc<dyn Fn(Event) + Send + Sync>;
/// A ticket, and what tells that its session will not come about.
type Meeting = (Ticket, oneshot::Receiver<Refusal>);
type Reply = oneshot::Sender<Result<Meeting, Refusal>>;

impl Connector {
    /// Joins, asks, and then serves the viewers that come to the listener until told to stop.
    ///
    /// An error before [`Event::Ready`] says why the peer cannot be reached; one after it, why nobody may come any more.
    pub async fn run(
        self,
        listener: TcpListener,
        tell: impl Fn(Event) + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Result<(), Refusal> {
        let (calls, called) = mpsc::channel(64);
        let mut work = Work {
            connector: Arc::new(self),
            listener,
            tell: Arc::new(tell),
            stop,
            ready: false,
            calls,
            called,
            sessions: JoinSet::new(),
        };
        let done = work.stay().await;
        while work.sessions.join_next().await.is_some() {}
        done
    }
}

struct Work {
    connector: Arc<Connector>,
    listener: TcpListener,
    tell: Tell,
    stop: CancellationToken,
    ready: bool,
    calls: mpsc::Sender<Reply>,
    called: mpsc::Receiver<Reply>,
    sessions: JoinSet<()>,
}

impl Work {
    async fn stay(&mut self) -> Result<(), Refusal> {
        let mut backoff = Backoff::default();
        let stop = self.stop.clone();
        loop {
            let lost = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                lost = self.serve(&mut backoff) => lost,
            };
            let Err(refusal) = lost else { return Ok(()) };
            let may_wait =
                self.ready || (self.connector.wait && refusal.fault == Fault::CloudConnectivityError);
            let wait = backoff.after(&refusal, random()).filter(|_| may_wait);
            let Some(wait) = wait else {
                // Nobody may come any more; who is there, may stay.
                return Err(refusal);
            };
            (self.tell)(Event::Waiting(refusal, wait));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(wait) => {}
            }
        }
    }

    async fn serve(&mut self, backoff: &mut Backoff) -> Result<(), Refusal> {
        let connector = Arc::clone(&self.connector);
        let mut control = Control::join(&connector.server, &connector.credentials, Role::Connector).await?;
        let mut call = 0;
        if !self.ready {
            let peer = connector.peer.address.to_string();
            control.send(&Message::Ask { call, wait: connector.wait, peer }).await?;
        }
        backoff.reset();
        let mut waiting: HashMap<u32, Reply> = HashMap::new();
        let mut meeting: HashMap<u32, oneshot::Sender<Refusal>> = HashMap::new();
        loop {
            let next_beat = control.next_beat();
            tokio::select! {
                () = self.stop.cancelled() => {
                    control.leave().await;
                    return Ok(());
                }
                accepted = self.listener.accept(), if self.ready => match accepted {
                    Ok((viewer, _)) => self.admit(viewer),
                    Err(error) => tracing::warn!(%error, "a viewer could not be taken in"),
                },
                Some(reply) = self.called.recv() => {
                    call += 1;
                    waiting.insert(call, reply);
                    let peer = connector.peer.address.to_string();
                    control.send(&Message::Connect { call, peer }).await?;
                }
                message = control.receive() => match message? {
                    Message::Available { .. } if !self.ready => {
                        self.ready = true;
                        (self.tell)(Event::Ready);
                    }
                    Message::Failed { call: 0, refusal } if !self.ready => return Err(refusal),
                    Message::Meet { call, ticket } => {
                        meeting.retain(|_, failed| !failed.is_closed());
                        if let Some(reply) = waiting.remove(&call) {
                            let (failed, fails) = oneshot::channel();
                            meeting.insert(call, failed);
                            // A viewer that has gone needs no ticket.
                            let _ = reply.send(Ok((ticket, fails)));
                        }
                    }
                    Message::Failed { call, refusal } => {
                        if let Some(reply) = waiting.remove(&call) {
                            let _ = reply.send(Err(refusal));
                        } else if let Some(failed) = meeting.remove(&call) {
                            let _ = failed.send(refusal);
                        }
                    }
                    _ => {}
                },
                Some(_) = self.sessions.join_next() => {}
                () = sleep_until(next_beat) => control.beat().await?,
            }
        }
    }

    fn admit(&mut self, viewer: TcpStream) {
        let (connector, tell) = (Arc::clone(&self.connector), Arc::clone(&self.tell));
        let (calls, stop) = (self.calls.clone(), self.stop.clone());
        self.sessions.spawn(async move {
            let opened = timeout(OPEN, connector.open(&calls)).await;
            match opened.unwrap_or_else(|_| Err(unreachable("the device does not answer in time"))) {
                Ok((far, opened)) => {
                    tell(opened);
                    let _ = viewer.set_nodelay(true);
                    tokio::select! {
                        carried = pipe(viewer, far) => tell(Event::Closed { lost: !carried }),
                        () = stop.cancelled() => tell(Event::Closed { lost: false }),
                    }
                }
                Err(refusal) => {
                    // A viewer must not take this for an end of the session.
                    reset(&viewer);
                    tell(Event::Failed(refusal));
                }
            }
        });
    }
}

impl Connector {
    /// One session: a ticket, a data connection, the end-to-end handshake, and the device's word.
    async fn open(&self, calls: &mpsc::Sender<Reply>) -> Result<(TlsStream<Outer>, Event), Refusal> {
        let (reply, replied) = oneshot::channel();
        let gone = || unreachable("the connection to the server was lost");
        calls.send(reply).await.map_err(|_| gone())?;
        let (ticket, fails) = replied.await.map_err(|_| gone())??;
        tokio::select! {
            biased;
            opened = self.meet(&ticket) => opened,
            Ok(refusal) = fails => Err(refusal),
        }
    }

    async fn meet(&self, ticket: &Ticket) -> Result<(TlsStream<Outer>, Event), Refusal> {
        let header = (TICKET_HEADER, ticket.shown_by(Role::Connector));
        let (outer, _) = Outer::open(&self.server, DATA_PATH, Some(header)).await?;
        let config = end_to_end::dialling(self.identity.key()).map_err(unreachable)?;
        let mut tls = match TlsConnector::from(config).connect(end_to_end::nobody(), outer).await {
            Ok(tls) => tls,
            Err(error) => return Err(self.why_lost(error).await),
        };
        let shown = peer_key(tls.get_ref().1.peer_certificates());
        let shown =
            shown.ok_or_else(|| Refusal::from(Fault::ProtocolError).because("the device showed no key"))?;
        let new = self.judge_key(shown)?;
        tls.write_all(&opening::request(&self.peer.target)).await.map_err(unreachable)?;
        tls.flush().await.map_err(unreachable)?;
        let mut head = [0; 2];
        tls.read_exact(&mut head).await.map_err(unreachable)?;
        let mut words = vec![0; usize::from(head[1])];
        tls.read_exact(&mut words).await.map_err(unreachable)?;
        match Outcome::from_byte(head[0]) {
            Ok(Outcome::Open) => {
                let phrase = self.identity.public().phrase(shown);
                Ok((tls, Event::Opened { key: shown, phrase, new }))
            }
            Ok(_) => Err(Refusal::from(Fault::DeviceRefused).because(String::from_utf8_lossy(&words))),
            Err(error) => Err(Refusal::from(Fault::ProtocolError).because(error.to_string())),
        }
    }

    /// The data connection went before the device was there. The reason comes over the control connection, so this waits
    /// for that to be heard first.
    async fn why_lost(&self, error: std::io::Error) -> Refusal {
        const HEARD: Duration = Duration::from_secs(2);
        sleep(HEARD).await;
        unreachable(error)
    }

    fn judge_key(&self, shown: PublicKey) -> Result<bool, Refusal> {
        let changed = |before: PublicKey| {
            Refusal::from(Fault::PeerKeyChanged).because(format!("expected {before}, and it shows {shown}"))
        };
        if let Some(expected) = self.fingerprint {
            return if expected == shown { Ok(false) } else { Err(changed(expected)) };
        }
        match self.identity.meet(self.peer.address.as_str(), shown) {
            Ok(Acquaintance::Known) => Ok(false),
            Ok(Acquaintance::New) => Ok(true),
            Ok(Acquaintance::Changed(before)) => Err(changed(before)),
            Err(error) => Err(unreachable(format_args!("the known keys cannot be read: {error}"))),
        }
    }
}
