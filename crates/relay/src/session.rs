//! A session between two devices, from a connector's call to its last byte, and its audit record.

use std::sync::Arc;

use tokio::time::Instant;
use transom_model::cloud::CloudAddress;
use transom_model::id::ProjectId;
use transom_tunnel::{MeetingTicket, Refusal, RefusalCode, Renewal};

use super::Relay;
use super::arrival::Arrived;
use super::carry::{Carried, Terms, carry};
use super::rendezvous::Rendezvous;
use transom_app::devices::{Member, Order, Slot};

/// A session that a connector has called for. Its agent has been asked for a data connection.
pub(super) struct Session {
    relay: Relay,
    rendezvous: Rendezvous,
    slot: Slot,
    agent: Arc<Member>,
    connector: Arc<Member>,
    /// The agent's project.
    project: ProjectId,
    renewal: Option<Renewal>,
}

impl Relay {
    /// Begins a session for a connector. A refusal is recorded in the audit.
    pub(super) async fn call(&self, connector: &Arc<Member>, peer: &str) -> Result<Session, Refusal> {
        // Text that is not an address is refused like an unknown address.
        let peer: CloudAddress = peer.parse().map_err(|_| RefusalCode::CloudTargetNotFound)?;
        let called = self.called(connector, &peer).await;
        if let Err(refusal) = &called {
            self.app.devices.audit_refusal(connector, &peer, refusal).await;
        }
        called
    }

    async fn called(&self, connector: &Arc<Member>, peer: &CloudAddress) -> Result<Session, Refusal> {
        // The slot is taken before the look at the rules, so that a change between the two cuts the
        // session.
        let slot = self.app.devices.slot_for_connector(connector, peer).await?;
        let listener = self.app.devices.judge_connection(connector, peer).await?;
        let agent = self.app.devices.reached_by_connector(&listener)?;
        let renewal = self.app.devices.renewal_of(&listener.record).await;
        let rendezvous = self.summon(&agent, connector.address().as_str())?;
        let (connector, project) = (Arc::clone(connector), listener.record.project);
        Ok(Session { relay: self.clone(), rendezvous, slot, agent, connector, project, renewal })
    }
}

impl Session {
    /// The ticket that the connector's data connection presents.
    pub(super) fn ticket(&self) -> &MeetingTicket {
        &self.rendezvous.ticket
    }

    /// The server's statement for the connector that the device's key has changed.
    pub(super) fn renewal(&self) -> Option<Renewal> {
        self.renewal.clone()
    }

    /// Waits for both data connections, and carries the bytes between them.
    pub(super) async fn run(mut self, call: u32, limit: u32) {
        let cut = self.slot.cut();
        let met = tokio::select! {
            biased;
            () = cut.cancelled() => Err(self.forbidden().await),
            met = meet(&mut self.rendezvous) => met,
        };
        let Self { relay, rendezvous, slot, agent, connector, project, .. } = self;
        drop(rendezvous);
        let (app, from, to) = (&relay.app, connector.address(), agent.address());
        let (at_agent, at_connector) = match met {
            Ok(met) => met,
            Err(refusal) => {
                drop(slot);
                app.devices.audit_refusal(&connector, to, &refusal).await;
                connector.order(Order::Failed { call, refusal });
                return;
            }
        };
        app.devices.audit_connection(&connector, to, project).await;
        relay.order_standby(Arc::clone(&agent));
        let (began, ways) = (Instant::now(), (at_agent.how(), at_connector.how()));
        let config = &app.config().relay;
        let terms = Terms { limit, idle: config.idle.0, longest: config.max_session.0 };
        let carried = carry(at_agent.stream, at_connector.stream, cut, terms).await;
        drop(slot);
        let Carried { how, to_agent, to_connector } = carried;
        let seconds = began.elapsed().as_secs();
        tracing::info!(
            %from, %to, how, seconds, to_device = to_agent, to_viewer = to_connector,
            device_came = ways.0, viewer_came = ways.1, "a session between devices has ended"
        );
        let detail = format!(
            "from {from}; {to_agent} bytes to the device ({}), {to_connector} to the viewer ({}), {seconds} s",
            ways.0, ways.1
        );
        app.devices.audit_disconnection(to, project, how, detail, connector.origin()).await;
    }

    /// Returns the reason why the session was cut before it began.
    async fn forbidden(&self) -> Refusal {
        let judged = self.relay.app.devices.judge_connection(&self.connector, self.agent.address()).await;
        // The connection is allowed again meanwhile, or the node is sending its devices away:
        // either way the device is not online now.
        judged.err().unwrap_or_else(|| RefusalCode::CloudTargetNotFound.into())
    }
}

async fn meet(rendezvous: &mut Rendezvous) -> Result<(Arrived, Arrived), Refusal> {
    let agent = rendezvous.agent().await?;
    let connector = rendezvous.connector().await;
    Ok((agent, connector.ok_or(RefusalCode::CloudConnectivityError)?))
}
