//! Meeting tickets: each belongs to one session, soon expires, and is presented once by each of the
//! two sides.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;
use transom_tunnel::raw::{Claim, Nonce};
use transom_tunnel::ticket::TicketHeader;
use transom_tunnel::{MeetingTicket, Refusal, RefusalCode};

use super::Relay;
use super::arrival::{Arrival, Arrived, Declined, Pending};
use super::ready::Reserve;
use transom_app::devices::{Member, Order};
use transom_app::random;

/// The time for a side's data connection. An agent dials back within a round trip or two; over a
/// bad mobile network it needs a few more.
pub(super) const MEET: Duration = Duration::from_secs(20);
/// The time for the answer on a ready connection. If a round trip does not suffice, a NAT has
/// probably forgotten the connection.
const WARM: Duration = Duration::from_secs(3);

/// The reason why an agent's data connection is missing.
pub(super) enum Absent {
    Declined(Declined),
    Late,
}

impl From<Absent> for Refusal {
    fn from(absent: Absent) -> Self {
        match absent {
            Absent::Declined(declined) => Self::from(RefusalCode::DeviceRefused).because(declined.why),
            Absent::Late => {
                Self::from(RefusalCode::CloudTargetNotFound).because("its agent did not answer in time")
            }
        }
    }
}

/// The meeting place of two data connections. Its ticket expires when it is dropped.
pub(super) struct Rendezvous {
    relay: Relay,
    pub(super) ticket: MeetingTicket,
    summoned: Arc<Member>,
    /// The connector's name, as the agent is told it.
    peer: String,
    reserve: Option<Reserve>,
    agent: oneshot::Receiver<Result<Arrived, Declined>>,
    connector: oneshot::Receiver<Arrived>,
}

impl Relay {
    /// Asks an agent to come to a new rendezvous, over one of its ready connections if there is
    /// one.
    pub(super) fn summon(&self, agent: &Arc<Member>, peer: &str) -> Result<Rendezvous, Refusal> {
        let mut rendezvous = self.rendezvous(agent, peer);
        rendezvous.reserve = self.take_reserve(agent);
        let standby = rendezvous.reserve.as_ref().map(|reserve| reserve.id);
        if rendezvous.order_dial(standby) {
            Ok(rendezvous)
        } else {
            Err(Refusal::from(RefusalCode::CloudTargetNotFound)
                .because("its agent is too slow to read its messages"))
        }
    }

    /// A rendezvous of which no device has been told yet.
    pub(super) fn rendezvous(&self, agent: &Arc<Member>, peer: &str) -> Rendezvous {
        let ticket = MeetingTicket::from_bytes(random::bytes());
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

    /// Returns the recipient of the data connection that presents this ticket, and spends that side
    /// of the ticket.
    pub(super) fn redeem(&self, presented: &TicketHeader) -> Option<Arrival> {
        let mut pending = self.pending.lock();
        pending
            .get_mut(&presented.ticket.id)
            .filter(|found| found.ticket == presented.ticket)?
            .spend(presented.role)
    }

    /// Does the same for a claim, which proves the ticket's secret without sending it.
    pub(super) fn redeem_claim(&self, claim: &Claim, nonce: &Nonce) -> Option<Arrival> {
        let mut pending = self.pending.lock();
        pending.get_mut(&claim.id).filter(|found| claim.is_of(&found.ticket, nonce))?.spend(claim.role)
    }

    /// Notes that the agent will not open a data connection.
    pub(super) fn decline(&self, ticket: [u8; 16], declined: Declined) {
        let agent = self.pending.lock().get_mut(&ticket).and_then(|found| found.agent.take());
        if let Some(agent) = agent {
            // The recipient may have gone.
            let _ = agent.send(Err(declined));
        }
    }
}

impl Rendezvous {
    fn order_dial(&self, standby: Option<[u8; 16]>) -> bool {
        let relay = self.relay.raw_address().to_owned();
        let order = Order::Dial { ticket: self.ticket.clone(), standby, relay, peer: self.peer.clone() };
        self.summoned.order(order)
    }

    /// Waits for the agent's data connection: the ready one, or a new one if that fails.
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

/// Returns the ready connection, once the agent has confirmed on it that it is bound to this
/// session.
async fn taken_over(reserve: Reserve) -> Option<Arrived> {
    let mut arrived = Arrived { standby: true, ..reserve.stream.await.ok()? };
    (arrived.stream.read_u8().await.ok()? == transom_tunnel::raw::BOUND).then_some(arrived)
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        self.relay.pending.lock().remove(&self.ticket.id);
    }
}
