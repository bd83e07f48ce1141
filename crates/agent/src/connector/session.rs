//! One session of a connector: a ticket, a data connection, the end-to-end handshake, and the device's word.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transom_tunnel::opening::{self, Outcome};
use transom_tunnel::ticket::VOUCHER;
use transom_tunnel::{
    EXPORTER_LABEL, Fault, FrameError, PublicKey, Refusal, Renewal, Role, Ticket, end_to_end, peer_key,
};

use super::{Connector, Event};
use crate::data;
use crate::identity::Acquaintance;
use crate::introduction::{Introduced, Introduction, Objection};
use crate::outer::Outer;
use crate::pipe::leave;
use crate::unreachable;

/// The agent dials back, both ends shake hands, and the agent dials its target.
const OPEN: Duration = Duration::from_secs(45);
/// Viewers that come one after the other: the session before may be over here, and the server has not heard of it yet.
const HANDOVER: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// The server's word on a call comes in a round trip. Where it is about to come back, that may take until its next try.
const ASKED: Duration = Duration::from_secs(20);
/// Why a data connection went is said over the control connection, which may be some round trips behind.
const HEARD: Duration = Duration::from_secs(2);

/// The entry in the known keys for the server whose word on a device's key is taken: it holds the key that the server signs with.
const SERVER: &str = "server";
const RENEWED: &str = "The server says that its device was replaced, or its new key accepted. Compare the key that it shows with what its \
                       agent prints when it starts, and name it once: --fingerprint KEY.";
const OTHER_SERVER: &str = "The server says that its device was replaced, but signs that with another key than before: compare the key that it \
                            shows with what its agent prints when it starts, and name it once: --fingerprint KEY.";
/// Known keys play no part where one was named.
const ANOTHER: &str = "Compare --fingerprint with what its agent prints when it starts; if it was reinstalled, name its new key there; \
                       else somebody stands between.";

/// The needs of a session.
pub(super) struct Meeting {
    pub(super) ticket: Ticket,
    /// The raw listener's address.
    pub(super) relay: String,
    /// The server's word on the device's key.
    pub(super) renewal: Option<Renewal>,
    /// Tells that the session will not come about.
    pub(super) fails: oneshot::Receiver<Refusal>,
}
/// A session that somebody wants.
pub(super) type Call = oneshot::Sender<Result<Meeting, Refusal>>;
/// The way to the device, and what is to be told of it.
pub(super) type Opened = (TlsStream<Outer>, Event);

/// A device that has said yes, and its key.
struct Met {
    tls: TlsStream<Outer>,
    shown: PublicKey,
    key: Key,
}

/// The knowledge of a key beforehand.
#[derive(Clone, Copy)]
enum Key {
    Known,
    New,
    /// It was named, and the device had another one before.
    Named,
    /// The server says that it has taken the place of this one.
    Renewed(PublicKey),
}

impl Connector {
    /// Opens a session.
    pub(super) async fn open(&self, calls: &mpsc::Sender<Call>) -> Result<Opened, Refusal> {
        let patience = Instant::now() + HANDOVER;
        loop {
            let opened = timeout(OPEN, self.called(calls)).await;
            match opened.unwrap_or_else(|_| Err(unreachable("the device does not answer in time"))) {
                Err(busy) if busy.fault == Fault::PeerBusy && Instant::now() < patience => {
                    sleep(ASK_AGAIN).await;
                }
                met => return self.introduced(met?).await,
            }
        }
    }

    /// Not before the device has vouched: the key of somebody in between must not become its own.
    async fn introduced(&self, met: Met) -> Result<Opened, Refusal> {
        let Met { mut tls, shown, key } = met;
        let address = self.peer.address.as_str();
        let introduced = match (key, &self.renewed) {
            (Key::Renewed(before), Some(renewed)) => {
                self.identity.introduce_renewed(renewed, address, shown, before).await
            }
            (key, _) => {
                let new = matches!(key, Key::New);
                let introduced = self.identity.introduce(&self.verify, address, shown, new).await;
                introduced.map(|introduced| match key {
                    Key::Named => {
                        Introduced { unkept: self.identity.keep_instead(address, shown), ..introduced }
                    }
                    _ => introduced,
                })
            }
        };
        match introduced {
            Ok(Introduced { introduction: Introduction { key, phrase, new, .. }, unkept }) => {
                Ok((tls, Event::Opened { key, phrase, new, unkept }))
            }
            Err(objection) => {
                leave(&mut tls).await;
                Err(match objection {
                    Objection::Declined => Refusal::from(Fault::PeerKeyChanged)
                        .because(format!("this program does not take the key {shown}"))
                        .advising("Compare keys with the device's owner."),
                    Objection::Changed(before) => changed(before, shown),
                    Objection::Unknown(error) => unknown(error),
                })
            }
        }
    }

    async fn called(&self, calls: &mpsc::Sender<Call>) -> Result<Met, Refusal> {
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
            Err(lost) if lost.fault == Fault::CloudConnectivityError => {
                Err(timeout(HEARD, fails).await.ok().and_then(Result::ok).unwrap_or(lost))
            }
            met => met,
        }
    }

    async fn meet(&self, ticket: &Ticket, relay: &str, renewal: Option<&Renewal>) -> Result<Met, Refusal> {
        let outer = data::open(&self.server, ticket, Role::Connector, relay).await?;
        let connecting =
            TlsConnector::from(self.identity.key().dialling()).connect(end_to_end::nobody(), outer);
        let mut tls = connecting.await.map_err(unreachable)?;
        let shown = peer_key(tls.get_ref().1.peer_certificates());
        let shown =
            shown.ok_or_else(|| Refusal::from(Fault::ProtocolError).because("the device showed no key"))?;
        let key = self.compare_key(shown, renewal)?;
        let exporter = tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
        let exporter = exporter.map_err(unreachable)?;
        let voucher = ticket.vouch(Role::Connector, &exporter);
        let request = [&voucher[..], &opening::request(&self.peer.target)].concat();
        tls.write_all(&request).await.map_err(unreachable)?;
        tls.flush().await.map_err(unreachable)?;
        let mut theirs = [0; VOUCHER];
        tls.read_exact(&mut theirs).await.map_err(unreachable)?;
        if !ticket.vouched(Role::Agent, &exporter, &theirs) {
            let between = "somebody stands between this side and the device";
            return Err(Refusal::from(Fault::ProtocolError).because(between));
        }
        let garbled = |error: FrameError| Refusal::from(Fault::ProtocolError).because(error.to_string());
        let mut length = [0; opening::LENGTH];
        tls.read_exact(&mut length).await.map_err(unreachable)?;
        let mut words = vec![0; opening::length(length).map_err(garbled)?];
        tls.read_exact(&mut words).await.map_err(unreachable)?;
        match opening::read_answer(&words).map_err(garbled)? {
            (Outcome::Open, _) => Ok(Met { tls, shown, key }),
            (_, words) => Err(Refusal::from(Fault::DeviceRefused).because(words)),
        }
    }

    /// Looks a key up before anything is said to its holder; an error where it is not the one that it should be.
    fn compare_key(&self, shown: PublicKey, renewal: Option<&Renewal>) -> Result<Key, Refusal> {
        let known = self.identity.known(self.peer.address.as_str());
        match (self.fingerprint, known) {
            (Some(named), _) if named != shown => Err(changed(named, shown).advising(ANOTHER)),
            (Some(_), Ok(Some(before))) if before != shown => Ok(Key::Named),
            // Known keys play no part where one was named.
            (Some(_), _) => Ok(Key::Known),
            (None, known) => match known.map_err(unknown)? {
                None => Ok(Key::New),
                Some(known) if known == shown => Ok(Key::Known),
                Some(before) => self.compare_renewed(before, shown, renewal),
            },
        }
    }

    /// Tells whether the server vouches for another key than the known one. That lets nobody in: a person is asked.
    fn compare_renewed(
        &self,
        before: PublicKey,
        shown: PublicKey,
        renewal: Option<&Renewal>,
    ) -> Result<Key, Refusal> {
        let refused = changed(before, shown);
        let Some(renewal) = renewal.filter(|renewal| renewal.key == shown) else { return Err(refused) };
        let Some(signer) = renewal.signed_by(self.peer.address.as_str()) else { return Err(refused) };
        match self.identity.meet(SERVER, signer).map_err(unknown)? {
            Acquaintance::Changed(_) => Err(refused.advising(OTHER_SERVER)),
            _ if self.renewed.is_none() => Err(refused.advising(RENEWED)),
            _ => Ok(Key::Renewed(before)),
        }
    }
}

fn changed(before: PublicKey, shown: PublicKey) -> Refusal {
    Refusal::from(Fault::PeerKeyChanged).because(format!("expected {before}, and it shows {shown}"))
}

fn unknown(error: std::io::Error) -> Refusal {
    unreachable(format_args!("the known keys cannot be read: {error}"))
}
