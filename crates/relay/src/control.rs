//! A control connection from its proof to its end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use transom_model::cloud::ScramProof;
use transom_net::Stream;
use transom_net::budget::{Notice, Permit};
use transom_tunnel::scram::{self, Channel, Examiner, Exporter, PendingChallenge, ScramError};
use transom_tunnel::{Message, Refusal, RefusalCode, Versions};

use super::Relay;
use super::arrival::Declined;
use super::monitor::Monitor;
use super::session::Session;
use super::wire::{Lost, Wire};
use transom_app::devices::{Candidate, Membership, Order, Wish};
use transom_app::random;
use transom_http::seat::Seat;

/// The time for a peer to prove its identity: two round trips over a bad mobile network.
const PROVE: Duration = Duration::from_secs(15);
/// The time for telling a peer that it has to make room for another.
const PARTING: Duration = Duration::from_secs(1);
/// The period of heartbeats. NAT mappings of TCP live for minutes, and proxies give up after 60 s
/// of silence: three heartbeats fit into that.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// The silence after which a peer counts as gone: two heartbeats and some patience.
const SILENCE: Duration = Duration::from_secs(45);
/// The number of peers that a connector may wait for at once.
const MAX_WAITING: usize = 64;
/// The number of sessions that a connector may call for at once. With so many calls open, the relay
/// reads the connector's next message only after it has answered one of them.
const MAX_CALLING: usize = 64;

/// The facts about a peer's connection.
pub(super) struct Origin {
    pub(super) source: IpAddr,
    pub(super) exporter: Option<Exporter>,
    /// True if, by the configuration, the other end of the TCP connection is a proxy that ends TLS.
    pub(super) proxied: bool,
}

impl Origin {
    fn channel(&self) -> Channel<'_> {
        match &self.exporter {
            Some(exporter) => Channel::Tls(exporter),
            None if self.proxied => Channel::Proxied,
            None => Channel::Plain,
        }
    }
}

/// Serves an agent or a connector until it leaves or is refused. Holds the permit until the peer
/// has proved its identity or received its refusal.
pub(super) async fn run(relay: Relay, stream: Stream, origin: Origin, (half_open, notice): (Permit, Notice)) {
    let mut wire = Wire::new(stream);
    let proved = tokio::select! {
        biased;
        proved = timeout(PROVE, prove(&relay, &mut wire, &origin)) => proved,
        () = notice.served() => {
            relay.app.metrics.connections_shed.inc();
            let full = "too many connections have not proved their identity yet";
            let refusal = Refusal::from(RefusalCode::CloudConnectivityError).because(full);
            // Another connection has taken its place already.
            let _ = timeout(PARTING, wire.refuse(refusal)).await;
            return;
        }
    };
    let (membership, program) = match proved {
        Ok(Ok((membership, joined, program))) => {
            drop(half_open);
            if wire.send(&joined).await.is_err() {
                return membership.leave("the connection was lost").await;
            }
            (membership, program)
        }
        Ok(Err(Lost::Garbled(refusal))) => {
            if relay.app.access.is_news_of(origin.source) {
                tracing::info!(source = %origin.source, %refusal, "a join was refused");
            }
            if !Seat::new(half_open, notice).hold_during(wire.refuse(refusal)).await {
                relay.app.metrics.connections_shed.inc();
            }
            return;
        }
        Ok(Err(Lost::Gone(_))) | Err(_) => return,
    };
    let address = membership.member().address().clone();
    tracing::info!(%address, source = %origin.source, ?program, "joined");
    let relay_of_all = relay.clone();
    let monitor = Monitor::new(relay.app.clone(), Arc::clone(membership.member()));
    let mut serving =
        Serving { relay, wire, membership, waiting: JoinSet::new(), calling: JoinSet::new(), monitor };
    let lost = serving.serve().await;
    let Serving { wire, membership, .. } = serving;
    relay_of_all.forget_ready(membership.member());
    let why = match &lost {
        Lost::Gone(error) => error.to_string(),
        Lost::Garbled(refusal) => refusal.to_string(),
    };
    membership.leave(&why).await;
    match lost {
        Lost::Gone(error) => tracing::info!(%address, %error, "left"),
        Lost::Garbled(refusal) => {
            tracing::info!(%address, %refusal, "disconnected");
            wire.refuse(refusal).await;
        }
    }
}

/// Performs SCRAM-SHA-256, bound to the TLS connection if TLS ends at this server.
async fn prove(
    relay: &Relay,
    wire: &mut Wire,
    origin: &Origin,
) -> Result<(Membership, Message, String), Lost> {
    let channel = origin.channel();
    wire.send(&Message::Hello { versions: Versions::OURS, binding: channel.binding() }).await?;
    let (wish, client_first) = match wire.receive().await? {
        Message::Prove { version, role, end_to_end_only, client_first, program, report } => {
            understood(version)?;
            (Wish { role, end_to_end_only, program, report }, client_first)
        }
        Message::Enroll { version, enrollment } => {
            understood(version)?;
            let message = enrollment.message(channel).map_err(scram_failed)?;
            let enrolled = relay.app.devices.enrol_device(&enrollment, &message, origin.source).await;
            let (address, proof) = enrolled.map_err(Lost::Garbled)?;
            wire.send(&Message::Enrolled { proof, address: address.to_string() }).await?;
            // The device joins with its new address over a new connection.
            return Err(Lost::Gone(std::io::ErrorKind::UnexpectedEof.into()));
        }
        _ => return Err(out_of_turn()),
    };
    let examiner = Examiner::new(&client_first, channel).map_err(scram_failed)?;
    let candidate = relay.app.devices.device_candidate(&examiner.address).await.map_err(|error| {
        if error.is_news() {
            tracing::warn!(%error, "a device could not be looked up");
        }
        Lost::Garbled(
            Refusal::from(RefusalCode::CloudConnectivityError)
                .because("the server cannot reach its database"),
        )
    })?;
    let asked =
        examiner.challenge(&scram::nonce(random::bytes()), candidate.salt(), candidate.iterations().get());
    wire.send(&Message::Challenge(asked.server_first.clone())).await?;
    let Message::Proof(client_final) = wire.receive().await? else { return Err(out_of_turn()) };
    join(relay, origin, wish, candidate, &asked, &client_final).await
}

/// Checks that the peer has chosen a version that it was offered.
fn understood(version: u8) -> Result<(), Lost> {
    if Versions::OURS.hold(version) {
        return Ok(());
    }
    let detail = format!("this server supports {}, but version {version} was chosen", Versions::OURS);
    Err(Lost::Garbled(Refusal::from(RefusalCode::ProtocolError).because(detail)))
}

async fn join(
    relay: &Relay,
    origin: &Origin,
    wish: Wish,
    candidate: Candidate,
    asked: &PendingChallenge,
    client_final: &str,
) -> Result<(Membership, Message, String), Lost> {
    let answer = asked.read_answer(client_final, origin.channel()).map_err(scram_failed)?;
    let proof = ScramProof(*answer.proof);
    let joined =
        relay.app.devices.device_join(candidate, &wish, &proof, &answer.auth_message, origin.source).await;
    let (membership, signature) = joined.map_err(Lost::Garbled)?;
    let server_final = scram::server_final(&signature);
    Ok((membership, Message::Joined { heartbeat: HEARTBEAT, server_final }, wish.program))
}

fn out_of_turn() -> Lost {
    Lost::Garbled(Refusal::from(RefusalCode::ProtocolError).because("a message arrived out of order"))
}

fn scram_failed(error: ScramError) -> Lost {
    let code = match error {
        ScramError::Binding | ScramError::Undeclared => RefusalCode::ConnectionIntercepted,
        ScramError::Malformed | ScramError::Nonce => RefusalCode::ProtocolError,
    };
    Lost::Garbled(Refusal::from(code).because(error.to_string()))
}

/// A peer that has joined.
struct Serving {
    relay: Relay,
    wire: Wire,
    membership: Membership,
    /// The open questions of a connector about its peers. They end with the connection.
    waiting: JoinSet<(u32, Result<(), Refusal>)>,
    /// The sessions that a connector has called for. A call that waits for the last session with
    /// its peer to end delays no other call (requirement S8).
    calling: JoinSet<(u32, u32, Result<Session, Refusal>)>,
    monitor: Monitor,
}

impl Serving {
    async fn serve(&mut self) -> Lost {
        loop {
            if let Err(lost) = self.turn().await {
                return lost;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Lost> {
        let silent_at = Instant::now() + SILENCE;
        loop {
            tokio::select! {
                message = timeout_at(silent_at, self.wire.receive()), if self.calling.len() < MAX_CALLING => {
                    let message = message.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
                    return self.heard(message).await;
                }
                order = self.membership.order() => self.obey(order).await?,
                Some(called) = self.calling.join_next() => {
                    if let Ok(called) = called {
                        self.answer_call(called).await?;
                    }
                }
                (call, availability) = self.monitor.news() => {
                    self.wire.send(&Message::Seen { call, availability }).await?;
                }
                Some(waited) = self.waiting.join_next() => {
                    if let Ok((call, outcome)) = waited {
                        self.answer_ask(call, outcome).await?;
                    }
                }
            }
        }
    }

    async fn heard(&mut self, message: Message) -> Result<(), Lost> {
        match message {
            Message::Ping => self.wire.send(&Message::Pong).await?,
            Message::Pong => {}
            Message::Ask { call, wait, peer } => self.ask(call, wait, peer).await?,
            Message::Connect { call, limit, peer } => self.connect(call, limit, peer),
            Message::Watch { call, peer } => {
                if let Err(refusal) = self.monitor.add(call, &peer) {
                    self.wire.send(&Message::Failed { call, refusal }).await?;
                }
            }
            Message::Declined { ticket, cause, why } => self.relay.decline(ticket, Declined { cause, why }),
            _ => return Err(out_of_turn()),
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<(), Lost> {
        match order {
            Order::Dial { ticket, standby, relay, peer } => {
                self.wire.send(&Message::Dial { ticket, standby, relay, peer }).await?;
            }
            Order::Standby { ticket, relay } => self.wire.send(&Message::Standby { ticket, relay }).await?,
            Order::Failed { call, refusal } => self.wire.send(&Message::Failed { call, refusal }).await?,
            Order::End(refusal) => return Err(Lost::Garbled(refusal)),
        }
        Ok(())
    }

    /// Answers a connector that asks whether it may reach a peer and whether that peer is online.
    /// With `wait`, the answer comes once the peer is online.
    async fn ask(&mut self, call: u32, wait: bool, peer: String) -> Result<(), Lost> {
        if self.waiting.len() >= MAX_WAITING {
            let refusal = Refusal::from(RefusalCode::PeerBusy)
                .because("this connector is already waiting for too many peers");
            return self.answer_ask(call, Err(refusal)).await;
        }
        let (app, member) = (self.relay.app.clone(), self.membership.member().clone());
        self.waiting.spawn(async move {
            let asked = async {
                let peer = peer.parse().map_err(|_| RefusalCode::CloudTargetNotFound)?;
                loop {
                    // The look at the device comes before the rule, so that a device that joins in
                    // between counts as a new one.
                    let present = app.devices.joined.listening(&peer).map(|member| member.serial());
                    // The wait may have taken days, so the rule in force now decides.
                    let listener = app.devices.judge_connection(&member, &peer).await?;
                    match app.devices.reached_by_connector(&listener) {
                        // No device is online, or only one whose proof no longer counts.
                        Err(refusal) if wait && refusal.code == RefusalCode::CloudTargetNotFound => {
                            app.devices.joined.wait_for(&peer, present).await;
                        }
                        reached => return reached.map(drop),
                    }
                }
            };
            (call, asked.await)
        });
        Ok(())
    }

    async fn answer_ask(&mut self, call: u32, outcome: Result<(), Refusal>) -> Result<(), Lost> {
        let answer = match outcome {
            Ok(()) => Message::Available { call },
            Err(refusal) => Message::Failed { call, refusal },
        };
        Ok(self.wire.send(&answer).await?)
    }

    /// Begins a session for a connector.
    fn connect(&mut self, call: u32, limit: u32, peer: String) {
        let (relay, member) = (self.relay.clone(), self.membership.member().clone());
        self.calling.spawn(async move { (call, limit, relay.call(&member, &peer).await) });
    }

    /// Sends the connector to the session's meeting place, or tells it why there is no session.
    async fn answer_call(
        &mut self,
        (call, limit, outcome): (u32, u32, Result<Session, Refusal>),
    ) -> Result<(), Lost> {
        let session = match outcome {
            Ok(session) => session,
            Err(refusal) => return Ok(self.wire.send(&Message::Failed { call, refusal }).await?),
        };
        let relay = self.relay.raw_address().to_owned();
        let (ticket, renewal) = (session.ticket().clone(), session.renewal());
        self.wire.send(&Message::Meet { call, ticket, relay, renewal }).await?;
        self.relay.tasks.spawn(session.run(call, limit));
        Ok(())
    }
}
