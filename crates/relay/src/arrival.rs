//! Data connections on their way to a session, and the meeting tickets that they present.

use tokio::sync::oneshot;
use transom_net::Stream;
use transom_tunnel::{Cause, MeetingTicket, Role};

/// The route by which a data connection reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The raw listener.
    Raw,
    /// An upgrade on the one port.
    Upgrade,
    /// The repeater's protocol.
    Repeater,
}

/// A data connection that has arrived at its session.
pub(super) struct Arrived {
    pub(super) stream: Stream,
    pub(super) way: Way,
    /// True if the agent opened it in advance, as a standby connection.
    pub(super) standby: bool,
}

impl Arrived {
    /// Returns the connection's route as logs and audit name it.
    pub(super) fn how(&self) -> &'static str {
        match (self.way, self.standby) {
            (Way::Repeater, _) => "repeater",
            (Way::Raw, false) => "raw",
            (Way::Raw, true) => "raw, standby",
            (Way::Upgrade, false) => "upgrade",
            (Way::Upgrade, true) => "upgrade, standby",
        }
    }
}

pub(super) type AgentComes = oneshot::Sender<Result<Arrived, Declined>>;

/// An agent's message that it will not open a data connection.
pub(super) struct Declined {
    pub(super) cause: Cause,
    pub(super) why: String,
}

/// A meeting ticket whose data connections have not both arrived.
pub(super) struct Pending {
    pub(super) ticket: MeetingTicket,
    pub(super) agent: Option<AgentComes>,
    pub(super) connector: Option<oneshot::Sender<Arrived>>,
}

impl Pending {
    /// Takes one side's half of the ticket. The half can be taken only once.
    pub(super) fn spend(&mut self, role: Role) -> Option<Arrival> {
        match role {
            Role::Agent => self.agent.take().map(Arrival::Agent),
            Role::Connector => self.connector.take().map(Arrival::Connector),
        }
    }
}

/// The recipient of a data connection.
pub(super) enum Arrival {
    Agent(AgentComes),
    Connector(oneshot::Sender<Arrived>),
}

impl Arrival {
    pub(super) fn deliver(self, stream: Stream, way: Way) {
        let arrived = Arrived { stream, way, standby: false };
        // The recipient may have gone. The connection is then dropped.
        match self {
            Self::Agent(waiting) => drop(waiting.send(Ok(arrived))),
            Self::Connector(waiting) => drop(waiting.send(arrived)),
        }
    }
}
