//! The agent: joins from wherever it is, waits to be called, and forwards to its targets only.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use transom_tunnel::opening::{self, Outcome};
use transom_tunnel::ticket::VOUCHER;
use transom_tunnel::{Cause, EXPORTER_LABEL, Message, PublicKey, Refusal, Role, Ticket, VERSION, peer_key};

use crate::backoff::{Backoff, random};
use crate::control::{Control, Credentials, Joins};
use crate::data;
use crate::identity::Identity;
use crate::introduction::{Introduction, Objection, Verify, named};
use crate::local::Local;
use crate::outer::Outer;
use crate::pipe::{Ending, pipe};
use crate::server::Server;
use crate::standby::{self, Call, Kept};
use crate::target::{Target, Targets};

/// A TLS handshake and a name, through the relay.
const GREET: Duration = Duration::from_secs(15);
/// A target is on this machine, or on its network.
const DIAL: Duration = Duration::from_secs(10);
/// What the gateway is called.
const GATEWAY: &str = "gateway";

/// A device's side.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Where to join.
    pub server: Server,
    /// As whom.
    pub credentials: Credentials,
    /// This device's own key, and the keys that it knows.
    pub identity: Identity,
    /// Where it forwards to.
    pub targets: Targets,
    /// Whom it lets in, after the server has.
    pub policy: Policy,
}

/// Whom an agent lets in, after the server has.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Only these keys; empty: whichever key a peer shows first is its key from then on.
    pub allow_keys: Vec<PublicKey>,
    /// No consoles in the browser: there the gateway, not the viewer, would be the other end. And no key that is seen for
    /// the first time: the server could show one of its own, under any address.
    pub end_to_end_only: bool,
    /// Asked by address, before anything passes.
    pub filter: Filter,
    /// Asked last, by key, before a new one is kept and before the first byte of a session passes.
    pub verify: Verify,
}

/// The embedding program's own word on who may come; by default, everybody may whom nothing else keeps out.
#[derive(Clone, Default)]
pub struct Filter(Option<Arc<Admits>>);

type Admits = dyn Fn(&str) -> bool + Send + Sync;

impl Filter {
    /// Asks this of every peer, `[vnccloud:<address>]`. It must not block.
    pub fn new(admits: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(admits)))
    }

    fn admits(&self, peer: &str) -> bool {
        self.0.as_ref().is_none_or(|admits| admits(peer))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Filter(..)" } else { "Filter(everybody)" })
    }
}

/// How an agent is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It looks for the server.
    Searching,
    /// It can be reached.
    Online,
    /// It is not, because of this, and tries again after that long.
    Waiting(Refusal, Duration),
    /// It cannot be reached any more, because of this, and trying again is of no use. Its sessions go on; [`Agent::run`]
    /// ends with the last of them.
    SentAway(Refusal),
    /// A session with this peer, `[vnccloud:<address>]`, has begun; the words are the same at the other end.
    Opened {
        /// Who.
        peer: String,
        /// For people who compare.
        phrase: String,
        /// The peer showed its key for the first time.
        new: bool,
    },
    /// A session did not come about.
    Refused {
        /// Who.
        peer: String,
        /// Why.
        why: String,
    },
    /// A session with this peer is over.
    Closed {
        /// Who.
        peer: String,
        /// How.
        ending: Ending,
    },
}

type Tell = Arc<dyn Fn(Status) + Send + Sync>;

impl Agent {
    /// Joins and stays until told to stop, or until the server says that trying again is of no use.
    pub async fn run(
        self,
        tell: impl Fn(Status) + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Result<(), Refusal> {
        let (agent, tell): (_, Tell) = (Arc::new(self), Arc::new(tell));
        let mut sessions = Sessions::default();
        let mut backoff = Backoff::default();
        loop {
            tell(Status::Searching);
            let lost = tokio::select! {
                () = stop.cancelled() => break,
                lost = agent.stay(&tell, &mut sessions, &mut backoff, &stop) => lost,
            };
            let Some(refusal) = lost else { break };
            let Some(wait) = backoff.after(&refusal, random()) else {
                if sessions.is_live() {
                    tell(Status::SentAway(refusal.clone()));
                }
                // A new password ends no session (requirements a29): what runs, runs on until it ends or we are told to.
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sessions.end() => {}
                }
                return Err(refusal);
            };
            tell(Status::Waiting(refusal, wait));
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(wait) => {}
            }
        }
        // Sessions end with the agent; each says goodbye by itself.
        sessions.end().await;
        Ok(())
    }

    /// One stay at the server: why it ended, or nothing where it was told to stop.
    async fn stay(
        self: &Arc<Self>,
        tell: &Tell,
        sessions: &mut Sessions,
        backoff: &mut Backoff,
        stop: &CancellationToken,
    ) -> Option<Refusal> {
        let joins = Joins::Agent { end_to_end_only: self.policy.end_to_end_only };
        let mut control = match Control::join(&self.server, &self.credentials, joins).await {
            Ok(control) => control,
            Err(refusal) => return Some(refusal),
        };
        backoff.reset();
        tell(Status::Online);
        let mut kept = Kept::default();
        let (declined, mut declining) = mpsc::channel::<(Ticket, Declined)>(16);
        loop {
            let next_beat = control.next_beat();
            let done = tokio::select! {
                () = stop.cancelled() => {
                    control.leave().await;
                    return None;
                }
                message = control.receive() => match message {
                    Ok(Message::Dial { ticket, standby, relay, peer }) => {
                        // Who is declined is told so before any connection is theirs.
                        let standby = standby.filter(|_| self.admit(&peer).is_ok());
                        if let Some(call) = kept.bind(standby, Call { ticket, relay, peer }) {
                            let desk = Desk::new(self, tell, &declined, stop, sessions);
                            sessions.tasks.spawn(async move { desk.serve(call, None).await });
                        }
                        Ok(())
                    }
                    Ok(Message::Standby { ticket, relay }) => {
                        if let Some(bound) = kept.add(ticket.id) {
                            let desk = Desk::new(self, tell, &declined, stop, sessions);
                            sessions.tasks.spawn(async move {
                                let ready = standby::wait(&desk.agent.server, &ticket, &relay, bound).await;
                                if let Some((outer, call)) = ready {
                                    desk.serve(call, Some(outer)).await;
                                }
                            });
                        }
                        Ok(())
                    }
                    Ok(_) => Ok(()),
                    Err(refusal) => Err(refusal),
                },
                Some((ticket, Declined { cause, words: why })) = declining.recv() => {
                    control.send(&Message::Declined { ticket: ticket.id, cause, why }).await
                }
                Some(_) = sessions.tasks.join_next() => Ok(()),
                () = sleep_until(next_beat) => control.beat().await,
            };
            if let Err(refusal) = done {
                return Some(refusal);
            }
        }
    }

    /// Whether this peer may come at all, whatever key it shows.
    fn admit(&self, peer: &str) -> Result<(), Declined> {
        if peer == GATEWAY && self.policy.end_to_end_only {
            let words = "this device takes end-to-end connections only: use transom connect".to_owned();
            return Err(Declined { cause: Cause::EndToEndOnly, words });
        }
        let named = named(peer);
        if !self.policy.filter.admits(&named) {
            return Err(format!("this device does not take connections from {named}").into());
        }
        Ok(())
    }

    /// Comes to the data connection and serves the session; an error is one before the peer could be told inside it.
    async fn answer(
        &self,
        call: &Call,
        ready: Option<Outer>,
        named: &str,
        tell: &Tell,
        stop: &CancellationToken,
    ) -> Result<(), Declined> {
        let Call { ticket, relay, peer } = call;
        self.admit(peer)?;
        let outer = match ready {
            Some(outer) => outer,
            None => data::open(&self.server, ticket, Role::Agent, relay)
                .await
                .map_err(|error| error.to_string())?,
        };
        let greeted = timeout(GREET, self.greet(outer, ticket)).await;
        let greeted = greeted.map_err(|_| "the peer fell silent".to_owned())??;
        let (target, Introduction { phrase, new, .. }) = match self.decide(peer, &greeted).await {
            Ok(decided) => decided,
            Err(rejected) => {
                greeted.reject(rejected, named, tell).await;
                return Ok(());
            }
        };
        let dialled = timeout(DIAL, TcpStream::connect((target.host.as_str(), target.port))).await;
        let local = match dialled.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(local) => Local::tcp(local),
            Err(error) => {
                let words = format!("its target does not take connections: {error}");
                greeted.reject((Outcome::Unreachable, words), named, tell).await;
                return Ok(());
            }
        };
        let Greeted { mut tls, voucher, .. } = greeted;
        let opened = async {
            tls.write_all(&[&voucher[..], &opening::answer(Outcome::Open, "")].concat()).await?;
            tls.flush().await
        };
        if opened.await.is_err() {
            local.reset();
            return Ok(());
        }
        tell(Status::Opened { peer: named.to_owned(), phrase, new });
        let ending = pipe(local, tls, stop).await;
        tell(Status::Closed { peer: named.to_owned(), ending });
        Ok(())
    }

    /// The end-to-end handshake, the peer's key, and which target it wants.
    async fn greet(&self, outer: Outer, ticket: &Ticket) -> Result<Greeted, String> {
        let accepted = TlsAcceptor::from(self.identity.key().accepting()).accept(outer).await;
        let mut tls = accepted.map_err(|error| format!("the end-to-end handshake failed: {error}"))?;
        let shown = peer_key(tls.get_ref().1.peer_certificates()).ok_or("the peer showed no key")?;
        let exporter = tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
        let exporter = exporter.map_err(|error| error.to_string())?;
        let mut theirs = [0; VOUCHER];
        tls.read_exact(&mut theirs).await.map_err(|error| error.to_string())?;
        // Before the key is judged: that of somebody in between must not become the peer's.
        if !ticket.vouched(Role::Connector, &exporter, &theirs) {
            return Err("somebody stands between the peer and this device".to_owned());
        }
        let voucher = ticket.vouch(Role::Agent, &exporter);
        let mut head = [0; 2];
        tls.read_exact(&mut head).await.map_err(|error| error.to_string())?;
        let [version, length] = head;
        let mut name = vec![0; usize::from(length)];
        tls.read_exact(&mut name).await.map_err(|error| error.to_string())?;
        if version != VERSION {
            return Err(format!("the peer speaks version {version} inside"));
        }
        Ok(Greeted { tls, shown, wanted: String::from_utf8_lossy(&name).into_owned(), voucher })
    }

    /// Whether this peer may come with this key, and where to.
    async fn decide(
        &self,
        peer: &str,
        greeted: &Greeted,
    ) -> Result<(&Target, Introduction), (Outcome, String)> {
        let Greeted { shown, wanted, .. } = greeted;
        let new = self.compare_key(peer, *shown)?;
        let introduced = self.identity.introduce(&self.policy.verify, peer, *shown, new).await;
        let introduction = introduced.map_err(|objection| match objection {
            Objection::Declined => {
                (Outcome::KeyRefused, format!("this device does not take the key {shown}"))
            }
            Objection::Changed(before) => changed(peer, before, *shown),
            Objection::Unknown(error) => unknown(&error),
        })?;
        let target = self.targets.find(wanted);
        let none = || (Outcome::NoSuchTarget, format!("it has no target of the name {wanted:?}"));
        Ok((target.ok_or_else(none)?, introduction))
    }

    /// Whether this is a new key of the peer's, or why it may not come with it.
    fn compare_key(&self, peer: &str, shown: PublicKey) -> Result<bool, (Outcome, String)> {
        let Policy { allow_keys, end_to_end_only, .. } = &self.policy;
        if !allow_keys.is_empty() {
            let refused = format!("the key {shown} is not on its --allow-key list");
            return if allow_keys.contains(&shown) { Ok(false) } else { Err((Outcome::KeyRefused, refused)) };
        }
        match self.identity.known(peer).map_err(|error| unknown(&error))? {
            Some(known) if known == shown => Ok(false),
            Some(before) => Err(changed(peer, before, shown)),
            None if *end_to_end_only => {
                let words =
                    format!("it is for end-to-end connections only, and --allow-key does not name {shown}");
                Err((Outcome::KeyRefused, words))
            }
            None => Ok(true),
        }
    }
}

fn changed(peer: &str, before: PublicKey, shown: PublicKey) -> (Outcome, String) {
    (Outcome::KeyChanged, format!("{peer} had the key {before} before, and shows {shown}"))
}

fn unknown(error: &std::io::Error) -> (Outcome, String) {
    (Outcome::KeyRefused, format!("its known keys cannot be read: {error}"))
}

/// Why it does not come to a data connection.
struct Declined {
    cause: Cause,
    words: String,
}

impl From<String> for Declined {
    fn from(words: String) -> Self {
        Self { cause: Cause::Failed, words }
    }
}

/// A peer that has said what it wants.
struct Greeted {
    tls: TlsStream<Outer>,
    shown: PublicKey,
    wanted: String,
    voucher: [u8; VOUCHER],
}

impl Greeted {
    /// Tells it no.
    async fn reject(mut self, (outcome, words): (Outcome, String), named: &str, tell: &Tell) {
        let answer = opening::answer(outcome, &words);
        // A peer that has gone need not be told.
        let _ = self.tls.write_all(&[&self.voucher[..], &answer].concat()).await;
        let _ = self.tls.shutdown().await;
        tell(Status::Refused { peer: named.to_owned(), why: words });
    }
}

/// What an agent does besides listening.
#[derive(Default)]
struct Sessions {
    /// Sessions, and connections that are kept ready for some.
    tasks: JoinSet<()>,
    /// Held by each session.
    live: Arc<()>,
}

impl Sessions {
    fn is_live(&self) -> bool {
        Arc::strong_count(&self.live) > 1
    }

    async fn end(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What serves one session, and whom it tells.
struct Desk {
    agent: Arc<Agent>,
    tell: Tell,
    declined: mpsc::Sender<(Ticket, Declined)>,
    stop: CancellationToken,
    live: Weak<()>,
}

impl Desk {
    fn new(
        agent: &Arc<Agent>,
        tell: &Tell,
        declined: &mpsc::Sender<(Ticket, Declined)>,
        stop: &CancellationToken,
        sessions: &Sessions,
    ) -> Self {
        Self {
            agent: Arc::clone(agent),
            tell: Arc::clone(tell),
            declined: declined.clone(),
            stop: stop.clone(),
            live: Arc::downgrade(&sessions.live),
        }
    }

    /// One session, over the connection that was kept ready where there is one.
    async fn serve(self, call: Call, ready: Option<Outer>) {
        let _live = self.live.upgrade();
        let named = named(&call.peer);
        if let Err(why) = self.agent.answer(&call, ready, &named, &self.tell, &self.stop).await {
            (self.tell)(Status::Refused { peer: named, why: why.words.clone() });
            // Where the server is gone, it need not be told.
            let _ = self.declined.send((call.ticket, why)).await;
        }
    }
}
