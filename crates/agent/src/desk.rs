//! One session of an agent: the end-to-end handshake, whether this peer may come with its key, and the way to the target.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use transom_tunnel::opening::{self, Outcome};
use transom_tunnel::ticket::VOUCHER;
use transom_tunnel::{Cause, EXPORTER_LABEL, PublicKey, Role, Ticket, peer_key};

use crate::agent::{Agent, Policy, Sessions, Status, Tell};
use crate::data;
use crate::introduction::{Introduced, Introduction, Objection, named};
use crate::local::Local;
use crate::outer::Outer;
use crate::pipe::pipe;
use crate::standby::Call;
use crate::target::Target;

/// A TLS handshake and a name, through the relay.
const GREET: Duration = Duration::from_secs(15);
/// A target is on this machine, or on its network.
const DIAL: Duration = Duration::from_secs(10);
/// What the gateway is called.
const GATEWAY: &str = "gateway";

/// What serves one session, and whom it tells.
pub(crate) struct Desk {
    pub(crate) agent: Arc<Agent>,
    tell: Tell,
    declined: mpsc::Sender<(Ticket, Declined)>,
    stop: CancellationToken,
    live: Weak<()>,
}

impl Desk {
    pub(crate) fn new(
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
    pub(crate) async fn serve(self, call: Call, ready: Option<Outer>) {
        let _live = self.live.upgrade();
        let named = named(&call.peer);
        if let Err(why) = self.agent.answer(&call, ready, &named, &self.tell, &self.stop).await {
            (self.tell)(Status::Refused { peer: named, why: why.words.clone() });
            // Where the server is gone, it need not be told.
            let _ = self.declined.send((call.ticket, why)).await;
        }
    }
}

impl Agent {
    /// Whether this peer may come at all, whatever key it shows.
    pub(crate) fn admit(&self, peer: &str) -> Result<(), Declined> {
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
        let (target, Introduced { introduction, unkept }) = match self.decide(peer, &greeted).await {
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
        let Introduction { phrase, new, .. } = introduction;
        tell(Status::Opened { peer: named.to_owned(), phrase, new, unkept });
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
        let mut length = [0; opening::LENGTH];
        tls.read_exact(&mut length).await.map_err(|error| error.to_string())?;
        let mut words = vec![0; opening::length(length).map_err(|error| error.to_string())?];
        tls.read_exact(&mut words).await.map_err(|error| error.to_string())?;
        let wanted = opening::read_request(&words).map_err(|error| error.to_string())?;
        Ok(Greeted { tls, shown, wanted, voucher })
    }

    /// Whether this peer may come with this key, and where to.
    async fn decide(
        &self,
        peer: &str,
        greeted: &Greeted,
    ) -> Result<(&Target, Introduced), (Outcome, String)> {
        let Greeted { shown, wanted, .. } = greeted;
        let Some(wanted) = wanted else {
            return Err((Outcome::Version, "its agent is too old for this connection: update it".to_owned()));
        };
        let new = self.compare_key(peer, *shown)?;
        let introduced = self.identity.introduce(&self.policy.verify, peer, *shown, new).await;
        let introduced = introduced.map_err(|objection| match objection {
            Objection::Declined => {
                (Outcome::KeyRefused, format!("this device does not take the key {shown}"))
            }
            Objection::Changed(before) => changed(peer, before, *shown),
            Objection::Unknown(error) => unknown(&error),
        })?;
        let target = self.targets.find(wanted);
        let none = || (Outcome::NoSuchTarget, format!("it has no target of the name {wanted:?}"));
        Ok((target.ok_or_else(none)?, introduced))
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
pub(crate) struct Declined {
    pub(crate) cause: Cause,
    pub(crate) words: String,
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
    /// The target's name; none where the request is one for later agents.
    wanted: Option<String>,
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
