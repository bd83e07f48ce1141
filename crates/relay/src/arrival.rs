//! Data connections on their way to a session, and the tickets under which they are awaited.

use tokio::sync::oneshot;
use transom_net::Stream;
use transom_tunnel::{Cause, MeetingTicket, Role};

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
    pub(super) way: Way,
    /// Whether it was kept ready for this session.
    pub(super) kept: bool,
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

pub(super) type AgentComes = oneshot::Sender<Result<Arrived, Declined>>;

/// An agent's word that it will not come.
pub(super) struct Declined {
    pub(super) cause: Cause,
    pub(super) why: String,
}

/// A ticket that waits for its sides.
pub(super) struct Pending {
    pub(super) ticket: MeetingTicket,
    pub(super) agent: Option<AgentComes>,
    pub(super) connector: Option<oneshot::Sender<Arrived>>,
}

impl Pending {
    /// Takes the place of one side, which nobody takes after it.
    pub(super) fn spend(&mut self, role: Role) -> Option<Arrival> {
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
