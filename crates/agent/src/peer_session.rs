//! A session of an agent: the end-to-end handshake, the checks of the peer and its key, and the
//! connection to the target.

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
use transom_tunnel::{Cause, EXPORTER_LABEL, MeetingTicket, PublicKey, Role, peer_key};

use crate::data;
use crate::identity::Identity;
use crate::introduction::{AcceptedKey, Introduction, KeyRejection, named};
use crate::local::Local;
use crate::pipe::pipe;
use crate::policy::Policy;
use crate::server::Server;
use crate::server_connection::ServerConnection;
use crate::standby::Dial;
use crate::status::{Status, Tell};
use crate::target::{Target, Targets};

/// The time for a TLS handshake and the peer's request, through the relay.
const GREET: Duration = Duration::from_secs(15);
/// The time to connect to a target, which is on this machine or on its network.
const DIAL: Duration = Duration::from_secs(10);
/// The gateway's name in a `Dial`.
const GATEWAY: &str = "gateway";

/// The parts of an agent that its sessions share.
pub(crate) struct Device {
    pub(crate) server: Server,
    pub(crate) identity: Identity,
    pub(crate) targets: Targets,
    pub(crate) policy: Policy,
}

/// A session with a peer, and the receivers of its news.
pub(crate) struct PeerSession {
    pub(crate) device: Arc<Device>,
    tell: Tell,
    declined: mpsc::Sender<(MeetingTicket, Declined)>,
    stop: CancellationToken,
    live: Weak<()>,
}

impl PeerSession {
    pub(crate) fn new(
        device: &Arc<Device>,
        tell: &Tell,
        declined: &mpsc::Sender<(MeetingTicket, Declined)>,
        stop: &CancellationToken,
        live: &Arc<()>,
    ) -> Self {
        Self {
            device: Arc::clone(device),
            tell: Arc::clone(tell),
            declined: declined.clone(),
            stop: stop.clone(),
            live: Arc::downgrade(live),
        }
    }

    /// Serves one session, over the standby connection if there is one.
    pub(crate) async fn serve(self, dial: Dial, ready: Option<ServerConnection>) {
        let _live = self.live.upgrade();
        let named = named(&dial.peer);
        if let Err(why) = self.device.answer(&dial, ready, &named, &self.tell, &self.stop).await {
            (self.tell)(Status::Refused { peer: named, why: why.words.clone() });
            // If the server is gone, it need not be told.
            let _ = self.declined.send((dial.ticket, why)).await;
        }
    }
}

impl Device {
    /// Checks whether the peer may connect at all, whatever key it shows.
    pub(crate) fn admit(&self, peer: &str) -> Result<(), Declined> {
        if peer == GATEWAY && self.policy.end_to_end_only {
            let words = "this device accepts end-to-end connections only: use transom connect".to_owned();
            return Err(Declined { cause: Cause::EndToEndOnly, words });
        }
        let named = named(peer);
        if !self.policy.filter.admits(&named) {
            return Err(format!("this device does not accept connections from {named}").into());
        }
        Ok(())
    }

    /// Opens the data connection and serves the session. An error occurred before the peer could be
    /// told inside the connection.
    async fn answer(
        &self,
        dial: &Dial,
        ready: Option<ServerConnection>,
        named: &str,
        tell: &Tell,
        stop: &CancellationToken,
    ) -> Result<(), Declined> {
        let Dial { ticket, relay, peer } = dial;
        self.admit(peer)?;
        let connection = match ready {
            Some(connection) => connection,
            None => data::open(&self.server, ticket, Role::Agent, relay)
                .await
                .map_err(|error| error.to_string())?,
        };
        let request = timeout(GREET, self.greet(connection, ticket)).await;
        let request = request.map_err(|_| "the peer stopped responding".to_owned())??;
        let (target, AcceptedKey { introduction, unsaved }) = match self.decide(peer, &request).await {
            Ok(decided) => decided,
            Err(rejected) => {
                request.reject(rejected, named, tell).await;
                return Ok(());
            }
        };
        let dialled = timeout(DIAL, TcpStream::connect((target.host.as_str(), target.port))).await;
        let local = match dialled.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
            Ok(local) => Local::tcp(local),
            Err(error) => {
                let words = format!("its target does not accept connections: {error}");
                request.reject((Outcome::Unreachable, words), named, tell).await;
                return Ok(());
            }
        };
        let PeerRequest { mut tls, voucher, .. } = request;
        let opened = async {
            tls.write_all(&[&voucher[..], &opening::answer(Outcome::Open, "")].concat()).await?;
            tls.flush().await
        };
        if opened.await.is_err() {
            local.reset();
            return Ok(());
        }
        let Introduction { phrase, new, .. } = introduction;
        tell(Status::Opened { peer: named.to_owned(), phrase, new, unsaved });
        let ending = pipe(local, tls, stop).await;
        tell(Status::Closed { peer: named.to_owned(), ending });
        Ok(())
    }

    /// Performs the end-to-end handshake, and reads the peer's key and request.
    async fn greet(
        &self,
        connection: ServerConnection,
        ticket: &MeetingTicket,
    ) -> Result<PeerRequest, String> {
        let handshake = TlsAcceptor::from(self.identity.key().accepting()).accept(connection).await;
        let mut tls = handshake.map_err(|error| format!("the end-to-end handshake failed: {error}"))?;
        let shown = peer_key(tls.get_ref().1.peer_certificates()).ok_or("the peer presented no key")?;
        let exporter = tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
        let exporter = exporter.map_err(|error| error.to_string())?;
        let mut theirs = [0; VOUCHER];
        tls.read_exact(&mut theirs).await.map_err(|error| error.to_string())?;
        // This comes before the check of the key: the key of a machine in between must not become
        // the peer's.
        if !ticket.vouched(Role::Connector, &exporter, &theirs) {
            return Err("a machine in between is intercepting the connection to the peer".to_owned());
        }
        let voucher = ticket.vouch(Role::Agent, &exporter);
        let mut length = [0; opening::LENGTH];
        tls.read_exact(&mut length).await.map_err(|error| error.to_string())?;
        let mut words = vec![0; opening::length(length).map_err(|error| error.to_string())?];
        tls.read_exact(&mut words).await.map_err(|error| error.to_string())?;
        let wanted = opening::read_request(&words).map_err(|error| error.to_string())?;
        Ok(PeerRequest { tls, shown, wanted, voucher })
    }

    /// Checks the peer's key, and finds the target that it asks for.
    async fn decide(
        &self,
        peer: &str,
        request: &PeerRequest,
    ) -> Result<(&Target, AcceptedKey), (Outcome, String)> {
        let PeerRequest { shown, wanted, .. } = request;
        let Some(wanted) = wanted else {
            return Err((Outcome::Version, "its agent is too old for this connection: update it".to_owned()));
        };
        let new = self.compare_key(peer, *shown)?;
        let accepted = self.identity.introduce(&self.policy.verify, peer, *shown, new).await;
        let accepted = accepted.map_err(|rejection| match rejection {
            KeyRejection::Declined => {
                (Outcome::KeyRefused, format!("this device does not accept the key {shown}"))
            }
            KeyRejection::Changed(before) => changed(peer, before, *shown),
            KeyRejection::Unreadable(error) => unreadable(&error),
        })?;
        let target = self.targets.find(wanted);
        let none = || (Outcome::NoSuchTarget, format!("it has no target named {wanted:?}"));
        Ok((target.ok_or_else(none)?, accepted))
    }

    /// Returns whether the key is new for this peer. An error if the peer may not connect with it.
    fn compare_key(&self, peer: &str, shown: PublicKey) -> Result<bool, (Outcome, String)> {
        let Policy { allow_keys, end_to_end_only, .. } = &self.policy;
        if !allow_keys.is_empty() {
            let refused = format!("the key {shown} is not on its --allow-key list");
            return if allow_keys.contains(&shown) { Ok(false) } else { Err((Outcome::KeyRefused, refused)) };
        }
        match self.identity.known(peer).map_err(|error| unreadable(&error))? {
            Some(known) if known == shown => Ok(false),
            Some(before) => Err(changed(peer, before, shown)),
            None if *end_to_end_only => {
                let words = format!(
                    "it is for end-to-end connections only, and the key {shown} is not on its --allow-key list"
                );
                Err((Outcome::KeyRefused, words))
            }
            None => Ok(true),
        }
    }
}

fn changed(peer: &str, before: PublicKey, shown: PublicKey) -> (Outcome, String) {
    (Outcome::KeyChanged, format!("{peer} had the key {before} before, but now presents {shown}"))
}

fn unreadable(error: &std::io::Error) -> (Outcome, String) {
    (Outcome::KeyRefused, format!("its known keys cannot be read: {error}"))
}

/// The reason why the agent does not open a data connection.
pub(crate) struct Declined {
    pub(crate) cause: Cause,
    pub(crate) words: String,
}

impl From<String> for Declined {
    fn from(words: String) -> Self {
        Self { cause: Cause::Failed, words }
    }
}

/// A peer that has made its request.
struct PeerRequest {
    tls: TlsStream<ServerConnection>,
    shown: PublicKey,
    /// The target's name. `None` if only later agents can serve the request.
    wanted: Option<String>,
    voucher: [u8; VOUCHER],
}

impl PeerRequest {
    /// Tells the peer that its request is refused.
    async fn reject(mut self, (outcome, words): (Outcome, String), named: &str, tell: &Tell) {
        let answer = opening::answer(outcome, &words);
        // A peer that has gone need not be told.
        let _ = self.tls.write_all(&[&self.voucher[..], &answer].concat()).await;
        let _ = self.tls.shutdown().await;
        tell(Status::Refused { peer: named.to_owned(), why: words });
    }
}
