//! Tickets: each names one session, lives a minute at most, and is shown once by each of its two sides.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;
use transom_tunnel::raw::{Claim, Nonce};
use transom_tunnel::ticket::Shown;
use transom_tunnel::{Cause, Fault, Refusal, Role, Ticket};

use super::Relay;
use super::standby::Reserve;
use crate::app::devices::{Member, Order};
use crate::app::random;
use crate::stream::Stream;

/// An agent dials back within a round trip or two; over a bad mobile network it needs a few more.
pub(super) const MEET: Duration = Duration::from_secs(20);
/// A connection that was kept warm answers within a round trip, or its NAT has forgotten it.
const WARM: Duration = Duration::from_secs(3);

/// By which way a data connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The raw listener.
    Raw,
    /// An upgrade on the one port.
    Upgrade,
    /// The repeater's protocol.
    Repeater,
}

/// A data connection that has come.
pub(super) struct Arrived {
    pub(super) stream: Stream,
    way: Way,
    /// Whether it was kept ready for this session.
    kept: bool,
}

impl Arrived {
    /// How it came, as logs and audit tell it.
    pub(super) fn how(&self) -> &'static str {
        match (self.way, self.kept) {
            (Way::Repeater, _) => "repeater",
            (Way::Raw, false) => "raw",
            (Way::Raw, true) => "raw, kept ready",
            (Way::Upgrade, false) => "upgrade",
            (Way::Upgrade, true) => "upgrade, kept ready",
        }
    }
}

type AgentComes = oneshot::Sender<Result<Arrived, Declined>>;

/// An agent's word that it will not come.
pub(super) struct Declined {
    pub(super) cause: Cause,
    pub(super) why: String,
}

/// Why an agent's data connection is not there.
pub(super) enum Absent {
    Declined(Declined),
    Late,
}

impl From<Absent> for Refusal {
    fn from(absent: Absent) -> Self {
        match absent {
            Absent::Declined(declined) => Self::from(Fault::DeviceRefused).because(declined.why),
            Absent::Late => {
                Self::from(Fault::CloudTargetNotFound).because("its agent did not answer in time")
            }
        }
    }
}

/// A ticket that waits for its sides.
pub(super) struct Pending {
    ticket: Ticket,
    agent: Option<AgentComes>,
    connector: Option<oneshot::Sender<Arrived>>,
}

/// The place where two data connections meet; the ticket is worth nothing once it is dropped.
pub(super) struct Rendezvous {
    relay: Relay,
    pub(super) ticket: Ticket,
    summoned: Arc<Member>,
    /// Who connects, as the agent is told.
    peer: String,
    reserve: Option<Reserve>,
    agent: oneshot::Receiver<Result<Arrived, Declined>>,
    connector: oneshot::Receiver<Arrived>,
}

impl Relay {
    /// Asks an agent to come to a new rendezvous, or takes the connection that it keeps ready.
    pub(super) fn summon(&self, agent: &Arc<Member>, peer: &str) -> Result<Rendezvous, Refusal> {
        let mut rendezvous = self.rendezvous(agent, peer);
        rendezvous.reserve = self.take_reserve(agent);
        let standby = rendezvous.reserve.as_ref().map(|reserve| reserve.id);
        if rendezvous.order_dial(standby) {
            Ok(rendezvous)
        } else {
            Err(Refusal::from(Fault::CloudTargetNotFound).because("its agent is not keeping up"))
        }
    }

    /// A rendezvous that nobody is told of yet.
    pub(super) fn rendezvous(&self, agent: &Arc<Member>, peer: &str) -> Rendezvous {
        let ticket = Ticket::from_bytes(random::bytes());
        let (agent_arrives, agent_arrived) = oneshot::channel();
        let (connector_arrives, connector_arrived) = oneshot::channel();
        let pending = Pending {
            ticket: ticket.clone(),
            agent: Some(agent_arrives),
            connector: Some(connector_arrives),
        };
        self.pending.lock().insert(ticket.id, pending);
        Rendezvous {
            relay: self.clone(),
            ticket,
            summoned: Arc::clone(agent),
            peer: peer.to_owned(),
            reserve: None,
            agent: agent_arrived,
            connector: connector_arrived,
        }
    }

    /// Whether this ticket waits for that side; it is spent by asking.
    pub(super) fn redeem(&self, shown: &Shown) -> Option<Arrival> {
        let mut pending = self.pending.lock();
        pending.get_mut(&shown.ticket.id).filter(|found| found.ticket == shown.ticket)?.spend(shown.role)
    }

    /// The same, where the secret was not shown but proved.
    pub(super) fn redeem_claim(&self, claim: &Claim, nonce: &Nonce) -> Option<Arrival> {
        let mut pending = self.pending.lock();
        pending.get_mut(&claim.id).filter(|found| claim.is_of(&found.ticket, nonce))?.spend(claim.role)
    }

    /// The agent will not come.
    pub(super) fn decline(&self, ticket: [u8; 16], declined: Declined) {
        let agent = self.pending.lock().get_mut(&ticket).and_then(|found| found.agent.take());
        if let Some(agent) = agent {
            // Whoever waited may have gone.
            let _ = agent.send(Err(declined));
        }
    }
}

impl Pending {
    fn spend(&mut self, role: Role) -> Option<Arrival> {
        match role {
            Role::Agent => self.agent.take().map(Arrival::Agent),
            Role::Connector => self.connector.take().map(Arrival::Connector),
        }
    }
}

/// Hands a data connection over to who waits for it.
pub(super) enum Arrival {
    Agent(AgentComes),
    Connector(oneshot::Sender<Arrived>),
}

impl Arrival {
    pub(super) fn hand_over(self, stream: Stream, way: Way) {
        let arrived = Arrived { stream, way, kept: false };
        // Whoever waited may have gone; the connection goes with it.
        match self {
            Self::Agent(waiting) => drop(waiting.send(Ok(arrived))),
            Self::Connector(waiting) => drop(waiting.send(arrived)),
        }
    }
}

impl Rendezvous {
    fn order_dial(&self, standby: Option<[u8; 16]>) -> bool {
        let relay = self.relay.place().to_owned();
        let order = Order::Dial { ticket: self.ticket.clone(), standby, relay, peer: self.peer.clone() };
        self.summoned.order(order)
    }

    /// Waits for the agent's data connection: the one that it kept ready, or else a new one.
    pub(super) async fn agent(&mut self) -> Result<Arrived, Absent> {
        let come = timeout(MEET, async {
            if let Some(reserve) = self.reserve.take() {
                tokio::select! {
                    biased;
                    warm = timeout(WARM, taken_over(reserve)) => match warm {
                        Ok(Some(arrived)) => return Some(Ok(arrived)),
                        _ if self.order_dial(None) => {}
                        _ => return None,
                    },
                    come = &mut self.agent => return come.ok(),
                }
            }
            (&mut self.agent).await.ok()
        });
        match come.await {
            Ok(Some(Ok(arrived))) => Ok(arrived),
            Ok(Some(Err(declined))) => Err(Absent::Declined(declined)),
            _ => Err(Absent::Late),
        }
    }

    /// Waits for the connector's data connection.
    pub(super) async fn connector(&mut self) -> Option<Arrived> {
        timeout(MEET, &mut self.connector).await.ok()?.ok()
    }
}

/// The connection that was kept ready, once the agent has said on it that it is this session's.
async fn taken_over(reserve: Reserve) -> Option<Arrived> {
    let mut arrived = Arrived { kept: true, ..reserve.stream.await.ok()? };
    (arrived.stream.read_u8().await.ok()? == transom_tunnel::raw::BOUND).then_some(arrived)
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        self.relay.pending.lock().remove(&self.ticket.id);
    }
}
