//! Tickets: each names one session, lives a minute at most, and is shown once by each of its two sides.

use std::time::Duration;

use tokio::sync::oneshot;
use transom_tunnel::ticket::Shown;
use transom_tunnel::{Cause, Fault, Refusal, Role, Ticket};

use super::Relay;
use crate::app::devices::{Member, Order};
use crate::app::random;
use crate::stream::Stream;

/// An agent dials back within a round trip or two; over a bad mobile network it needs a few more.
pub(super) const MEET: Duration = Duration::from_secs(20);

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
    agent: Option<oneshot::Sender<Result<Stream, Declined>>>,
    connector: Option<oneshot::Sender<Stream>>,
}

/// The place where two data connections meet; the ticket is worth nothing once it is dropped.
pub(super) struct Rendezvous {
    relay: Relay,
    pub(super) ticket: Ticket,
    agent: oneshot::Receiver<Result<Stream, Declined>>,
    connector: oneshot::Receiver<Stream>,
}

impl Relay {
    /// Asks an agent to come to a new rendezvous.
    pub(super) fn summon(&self, agent: &Member, peer: &str) -> Result<Rendezvous, Refusal> {
        let ticket = Ticket::from_bytes(random::bytes());
        let (agent_arrives, agent_arrived) = oneshot::channel();
        let (connector_arrives, connector_arrived) = oneshot::channel();
        let pending = Pending {
            ticket: ticket.clone(),
            agent: Some(agent_arrives),
            connector: Some(connector_arrives),
        };
        self.pending.lock().insert(ticket.id, pending);
        let rendezvous = Rendezvous {
            relay: self.clone(),
            ticket: ticket.clone(),
            agent: agent_arrived,
            connector: connector_arrived,
        };
        if agent.order(Order::Dial { ticket, peer: peer.to_owned() }) {
            Ok(rendezvous)
        } else {
            Err(Refusal::from(Fault::CloudTargetNotFound).because("its agent is not keeping up"))
        }
    }

    /// Whether this ticket waits for that side; it is spent by asking.
    pub(super) fn redeem(&self, shown: &Shown) -> Option<Arrival> {
        let mut pending = self.pending.lock();
        let found = pending.get_mut(&shown.ticket.id).filter(|found| found.ticket == shown.ticket)?;
        match shown.role {
            Role::Agent => found.agent.take().map(Arrival::Agent),
            Role::Connector => found.connector.take().map(Arrival::Connector),
        }
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

/// Hands a data connection over to who waits for it.
pub(super) enum Arrival {
    Agent(oneshot::Sender<Result<Stream, Declined>>),
    Connector(oneshot::Sender<Stream>),
}

impl Arrival {
    pub(super) fn hand_over(self, stream: Stream) {
        // Whoever waited may have gone; the connection goes with it.
        match self {
            Self::Agent(waiting) => drop(waiting.send(Ok(stream))),
            Self::Connector(waiting) => drop(waiting.send(stream)),
        }
    }
}

impl Rendezvous {
    /// Waits for the agent's data connection.
    pub(super) async fn agent(&mut self) -> Result<Stream, Absent> {
        match tokio::time::timeout(MEET, &mut self.agent).await {
            Ok(Ok(Ok(stream))) => Ok(stream),
            Ok(Ok(Err(declined))) => Err(Absent::Declined(declined)),
            _ => Err(Absent::Late),
        }
    }

    /// Waits for the connector's data connection.
    pub(super) async fn connector(&mut self) -> Option<Stream> {
        tokio::time::timeout(MEET, &mut self.connector).await.ok()?.ok()
    }
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        self.relay.pending.lock().remove(&self.ticket.id);
    }
}
