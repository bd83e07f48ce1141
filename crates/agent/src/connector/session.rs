//! A session of a connector: a ticket, a data connection, the end-to-end handshake, and the
//! device's answer.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transom_tunnel::opening::{self, Outcome};
use transom_tunnel::ticket::VOUCHER;
use transom_tunnel::{
    EXPORTER_LABEL, FrameError, MeetingTicket, PublicKey, Refusal, RefusalCode, Renewal, Role, end_to_end,
    peer_key,
};

use super::event::Event;
use super::settings::Connector;
use crate::data;
use crate::error::unreachable;
use crate::identity::KeyStatus;
use crate::introduction::{AcceptedKey, Introduction, KeyRejection};
use crate::pipe::leave;
use crate::server_connection::ServerConnection;

/// The time to open a session: the agent's data connection, the end-to-end handshake, and the
/// agent's connection to its target.
const OPEN: Duration = Duration::from_secs(45);
/// The time in which a busy peer is asked again. If one viewer follows another, the server may not
/// have noticed yet that the earlier session is over.
const HANDOVER: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// The time for the server's answer to a call. It usually takes a round trip, but may take until
/// the next attempt to reach the server.
const ASKED: Duration = Duration::from_secs(20);
/// The time for the reason why a data connection ended. It comes over the control connection, which
/// may be some round trips behind.
const HEARD: Duration = Duration::from_secs(2);

/// The entry in the known keys for the server: it holds the key with which the server signs
/// statements about devices' keys.
const SERVER: &str = "server";
const RENEWED: &str = "The server says that the device was replaced, or that its new key was accepted. Compare the key that it \
     presents with the key that its agent prints when it starts, then pass it once: --peer-key KEY.";
const OTHER_SERVER: &str = "The server says that the device was replaced, but signed this with a different key than before. Compare \
     the key that the device presents with the key that its agent prints when it starts, then pass it once: \
     --peer-key KEY.";
/// The advice for a target's name that the device does not have.
const NO_SUCH_TARGET: &str = "Omit /NAME for the first target, or use a NAME from its agent's --to NAME=HOST:PORT. To list them: \
     transom address show ADDRESS.";
/// The known keys play no part if the user named a key.
const ANOTHER: &str = "Compare --peer-key with the key that its agent prints when it starts. If the device was reinstalled, pass \
                       its new key. Otherwise a machine in between may be intercepting the connection.";

/// The means to open a session.
pub(super) struct Meeting {
    pub(super) ticket: MeetingTicket,
    /// The raw listener's address.
    pub(super) relay: String,
    /// The server's statement about the device's key.
    pub(super) renewal: Option<Renewal>,
    /// Resolves if the session fails on the server's side.
    pub(super) fails: oneshot::Receiver<Refusal>,
}
/// A request for a session, answered by the control connection.
pub(super) type MeetingRequest = oneshot::Sender<Result<Meeting, Refusal>>;
/// The connection to the device, and the event that announces it.
pub(super) type Opened = (TlsStream<ServerConnection>, Event);

/// A device that has accepted the connection, with its key.
struct DeviceConnection {
    tls: TlsStream<ServerConnection>,
    shown: PublicKey,
    origin: KeyOrigin,
}

/// The connector's knowledge of the key beforehand.
#[derive(Clone, Copy)]
enum KeyOrigin {
    Known,
    New,
    /// The user named this key, and the device had another one before.
    Named,
    /// The server states that the device's key replaces this one.
    Renewed(PublicKey),
}

impl Connector {
    /// Opens a session.
    pub(super) async fn open(&self, calls: &mpsc::Sender<MeetingRequest>) -> Result<Opened, Refusal> {
        let patience = Instant::now() + HANDOVER;
        loop {
            let opened = timeout(OPEN, self.called(calls)).await;
            match opened.unwrap_or_else(|_| Err(unreachable("the device does not answer in time"))) {
                Err(busy) if busy.code == RefusalCode::PeerBusy && Instant::now() < patience => {
                    sleep(ASK_AGAIN).await;
                }
                met => return self.introduced(met?).await,
            }
        }
    }

    /// Checks and stores the key. The device must have vouched before, so that the key of a machine
    /// in between never becomes the device's.
    async fn introduced(&self, met: DeviceConnection) -> Result<Opened, Refusal> {
        let DeviceConnection { mut tls, shown, origin } = met;
        let address = self.peer.address.as_str();
        let introduced = match (origin, &self.renewed) {
            (KeyOrigin::Renewed(before), Some(renewed)) => {
                self.identity.introduce_renewed(renewed, address, shown, before).await
            }
            (origin, _) => {
                let new = matches!(origin, KeyOrigin::New);
                let introduced = self.identity.introduce(&self.verify, address, shown, new).await;
                introduced.map(|introduced| match origin {
                    KeyOrigin::Named => {
                        AcceptedKey { unsaved: self.identity.replace_key(address, shown), ..introduced }
                    }
                    _ => introduced,
                })
            }
        };
        match introduced {
            Ok(AcceptedKey { introduction: Introduction { key, phrase, new, .. }, unsaved }) => {
                Ok((tls, Event::Opened { key, phrase, new, unsaved }))
            }
            Err(rejection) => {
                leave(&mut tls).await;
                Err(match rejection {
                    KeyRejection::Declined => Refusal::from(RefusalCode::PeerKeyChanged)
                        .because(format!("this program does not accept the key {shown}"))
                        .advising("Compare keys with the device's owner."),
                    KeyRejection::Changed(before) => changed(before, shown),
                    KeyRejection::Unreadable(error) => unreadable(error),
                })
            }
        }
    }

    async fn called(&self, calls: &mpsc::Sender<MeetingRequest>) -> Result<DeviceConnection, Refusal> {
        let (reply, replied) = oneshot::channel();
        let gone = || unreachable("the connection to the server was lost");
        calls.send(reply).await.map_err(|_| gone())?;
        let replied = timeout(ASKED, replied).await;
        let replied = replied.map_err(|_| unreachable("the server does not answer in time"))?;
        let Meeting { ticket, relay, renewal, mut fails } = replied.map_err(|_| gone())??;
        let met = tokio::select! {
            biased;
            met = self.meet(&ticket, &relay, renewal.as_ref()) => met,
            Ok(refusal) = &mut fails => return Err(refusal),
        };
        match met {
            Err(lost) if lost.code == RefusalCode::CloudConnectivityError => {
                Err(timeout(HEARD, fails).await.ok().and_then(Result::ok).unwrap_or(lost))
            }
            met => met,
        }
    }

    async fn meet(
        &self,
        ticket: &MeetingTicket,
        relay: &str,
        renewal: Option<&Renewal>,
    ) -> Result<DeviceConnection, Refusal> {
        let connection = data::open(&self.server, ticket, Role::Connector, relay).await?;
        let connecting = TlsConnector::from(self.identity.key().dialling())
            .connect(end_to_end::placeholder_name(), connection);
        let mut tls = connecting.await.map_err(unreachable)?;
        let shown = peer_key(tls.get_ref().1.peer_certificates());
        let shown = shown.ok_or_else(|| {
            Refusal::from(RefusalCode::ProtocolError).because("the device presented no key")
        })?;
        let origin = self.compare_key(shown, renewal)?;
        let exporter = tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
        let exporter = exporter.map_err(unreachable)?;
        let voucher = ticket.vouch(Role::Connector, &exporter);
        let request = [&voucher[..], &opening::request(&self.peer.target)].concat();
        tls.write_all(&request).await.map_err(unreachable)?;
        tls.flush().await.map_err(unreachable)?;
        let mut theirs = [0; VOUCHER];
        tls.read_exact(&mut theirs).await.map_err(unreachable)?;
        if !ticket.vouched(Role::Agent, &exporter, &theirs) {
            let between = "a machine in between is intercepting the connection to the device";
            return Err(Refusal::from(RefusalCode::ProtocolError).because(between));
        }
        let garbled =
            |error: FrameError| Refusal::from(RefusalCode::ProtocolError).because(error.to_string());
        let mut length = [0; opening::LENGTH];
        tls.read_exact(&mut length).await.map_err(unreachable)?;
        let mut words = vec![0; opening::length(length).map_err(garbled)?];
        tls.read_exact(&mut words).await.map_err(unreachable)?;
        match opening::read_answer(&words).map_err(garbled)? {
            (Outcome::Open, _) => Ok(DeviceConnection { tls, shown, origin }),
            (Outcome::NoSuchTarget, words) => {
                Err(Refusal::from(RefusalCode::DeviceRefused).because(words).advising(NO_SUCH_TARGET))
            }
            (_, words) => Err(Refusal::from(RefusalCode::DeviceRefused).because(words)),
        }
    }

    /// Compares the key with the expected one, before any words pass to its holder. An error if it
    /// is another key.
    fn compare_key(&self, shown: PublicKey, renewal: Option<&Renewal>) -> Result<KeyOrigin, Refusal> {
        let known = self.identity.known(self.peer.address.as_str());
        match (self.fingerprint, known) {
            (Some(named), _) if named != shown => Err(changed(named, shown).advising(ANOTHER)),
            (Some(_), Ok(Some(before))) if before != shown => Ok(KeyOrigin::Named),
            // The known keys play no part if the user named a key.
            (Some(_), _) => Ok(KeyOrigin::Known),
            (None, known) => match known.map_err(unreadable)? {
                None => Ok(KeyOrigin::New),
                Some(known) if known == shown => Ok(KeyOrigin::Known),
                Some(before) => self.compare_renewed(before, shown, renewal),
            },
        }
    }

    /// Checks whether the server vouches for a changed key. Its statement lets no peer in: a person
    /// is asked.
    fn compare_renewed(
        &self,
        before: PublicKey,
        shown: PublicKey,
        renewal: Option<&Renewal>,
    ) -> Result<KeyOrigin, Refusal> {
        let refused = changed(before, shown);
        let Some(renewal) = renewal.filter(|renewal| renewal.key == shown) else { return Err(refused) };
        let Some(signer) = renewal.signed_by(self.peer.address.as_str()) else { return Err(refused) };
        match self.identity.compare_or_store(SERVER, signer).map_err(unreadable)? {
            KeyStatus::Changed(_) => Err(refused.advising(OTHER_SERVER)),
            _ if self.renewed.is_none() => Err(refused.advising(RENEWED)),
            _ => Ok(KeyOrigin::Renewed(before)),
        }
    }
}

fn changed(before: PublicKey, shown: PublicKey) -> Refusal {
    Refusal::from(RefusalCode::PeerKeyChanged).because(format!("expected {before}, but it presents {shown}"))
}

fn unreadable(error: std::io::Error) -> Refusal {
    unreachable(format_args!("the known keys cannot be read: {error}"))
}
