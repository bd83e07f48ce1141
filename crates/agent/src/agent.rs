//! The agent: joins the server, waits for connections, and forwards them to its targets only.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use transom_tunnel::report::MAX_TARGETS;
use transom_tunnel::{MeetingTicket, Message, Refusal, Report};

use crate::backoff::{Backoff, random};
use crate::control::{ControlConnection, Credentials, JoinAs};
use crate::identity::Identity;
use crate::peer_session::{Declined, Device, PeerSession};
use crate::policy::Policy;
use crate::server::Server;
use crate::standby::{self, Dial, StandbyConnections};
use crate::status::{Status, Tell};
use crate::target::Targets;

/// A device's side.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The server to join.
    pub server: Server,
    /// The address and password to join with.
    pub credentials: Credentials,
    /// This device's own key, and the keys that it knows.
    pub identity: Identity,
    /// The targets that the agent forwards to.
    pub targets: Targets,
    /// The agent's own rules for peers, after the server's.
    pub policy: Policy,
}

impl Agent {
    /// Joins the server, and stays until `stop` is cancelled, or until the server says that another
    /// attempt is of no use.
    pub async fn run(
        self,
        tell: impl Fn(Status) + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Result<(), Refusal> {
        let mut service = Service::new(self, Arc::new(tell), stop.clone());
        loop {
            (service.tell)(Status::Searching);
            let lost = tokio::select! {
                () = stop.cancelled() => break,
                lost = service.stay() => lost,
            };
            let Some(refusal) = lost else { break };
            let Some(wait) = service.backoff.after(&refusal, random()) else {
                if service.sessions.is_live() {
                    (service.tell)(Status::SentAway(refusal.clone()));
                }
                // A new password ends no session (requirement a29): sessions run until they end or
                // we are told to stop.
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = service.sessions.end() => {}
                }
                return Err(refusal);
            };
            (service.tell)(Status::Waiting(refusal, wait));
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(wait) => {}
            }
        }
        // Sessions end with the agent; each of them tells its peer.
        service.sessions.end().await;
        Ok(())
    }

    /// The report on this machine, which stays the same for as long as this agent runs.
    fn report(&self) -> Report {
        let mut run = [0; 16];
        // Without randomness the proof fails as well, with an error.
        let _ = aws_lc_rs::rand::fill(&mut run);
        let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let targets = self.targets.texts().take(MAX_TARGETS).collect();
        Report { host_name, run, key: self.identity.public(), targets }
    }
}

/// An agent at work.
struct Service {
    device: Arc<Device>,
    credentials: Credentials,
    report: Report,
    tell: Tell,
    stop: CancellationToken,
    sessions: Sessions,
    backoff: Backoff,
}

impl Service {
    fn new(agent: Agent, tell: Tell, stop: CancellationToken) -> Self {
        let report = agent.report();
        let Agent { server, credentials, identity, targets, policy } = agent;
        let device = Arc::new(Device { server, identity, targets, policy });
        let (sessions, backoff) = (Sessions::default(), Backoff::default());
        Self { device, credentials, report, tell, stop, sessions, backoff }
    }

    /// Joins the server once. Returns the reason why the connection ended, or `None` after `stop`.
    async fn stay(&mut self) -> Option<Refusal> {
        let end_to_end_only = self.device.policy.end_to_end_only;
        let join_as = JoinAs::Agent { end_to_end_only, report: self.report.clone() };
        let joined = ControlConnection::join(&self.device.server, &self.credentials, join_as).await;
        let mut control = match joined {
            Ok(control) => control,
            Err(refusal) => return Some(refusal),
        };
        self.backoff.reset();
        (self.tell)(Status::Online);
        let mut standby = StandbyConnections::default();
        let (declined, mut declining) = mpsc::channel::<(MeetingTicket, Declined)>(16);
        loop {
            let next_beat = control.next_beat();
            let done = tokio::select! {
                () = self.stop.cancelled() => {
                    control.leave().await;
                    return None;
                }
                message = control.receive() => {
                    message.map(|message| self.follow(message, &mut standby, &declined))
                }
                Some((ticket, Declined { cause, words: why })) = declining.recv() => {
                    control.send(&Message::Declined { ticket: ticket.id, cause, why }).await
                }
                Some(_) = self.sessions.tasks.join_next() => Ok(()),
                () = sleep_until(next_beat) => control.beat().await,
            };
            if let Err(refusal) = done {
                return Some(refusal);
            }
        }
    }

    /// Follows an order of the server.
    fn follow(
        &mut self,
        order: Message,
        standby: &mut StandbyConnections,
        declined: &mpsc::Sender<(MeetingTicket, Declined)>,
    ) {
        let Self { device, tell, stop, sessions, .. } = self;
        let session = PeerSession::new(device, tell, declined, stop, &sessions.live);
        match order {
            Message::Dial { ticket, standby: id, relay, peer } => {
                // A peer is declined before it gets any connection.
                let id = id.filter(|_| device.admit(&peer).is_ok());
                if let Some(dial) = standby.bind(id, Dial { ticket, relay, peer }) {
                    sessions.tasks.spawn(async move { session.serve(dial, None).await });
                }
            }
            Message::Standby { ticket, relay } => {
                let Some(bound) = standby.add(ticket.id) else { return };
                sessions.tasks.spawn(async move {
                    let ready = standby::wait(&session.device.server, &ticket, &relay, bound).await;
                    if let Some((connection, dial)) = ready {
                        session.serve(dial, Some(connection)).await;
                    }
                });
            }
            _ => {}
        }
    }
}

/// The tasks of an agent besides the control connection.
#[derive(Default)]
struct Sessions {
    /// Sessions and standby connections.
    tasks: JoinSet<()>,
    /// A handle that each session holds while it runs.
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
