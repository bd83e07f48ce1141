//! Standby connections: while an agent has a session, it opens a data connection for the next one,
//! which then begins without a handshake with the server. The connection is authenticated when it
//! is opened, and bound to a session when it is used.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Relay;
use super::arrival::Arrived;
use super::ready::{Ready, Reserve};
use transom_app::devices::{Member, Order};

/// The longest wait for a session. People look at a screen again soon, or not on the same day.
const WARM_FOR: Duration = Duration::from_secs(10 * 60);

impl Relay {
    /// Takes one of this agent's ready connections.
    pub(super) fn take_reserve(&self, agent: &Member) -> Option<Reserve> {
        let mut ready = self.ready.lock();
        let waiting = ready.get_mut(&agent.serial())?;
        while let Some(next) = waiting.pop() {
            let (give, stream) = oneshot::channel();
            // A connection that has just ended is skipped.
            if next.take.send(give).is_ok() {
                return Some(Reserve { id: next.id, stream });
            }
        }
        None
    }

    /// Asks an agent that has a session now for a connection for the next session, up to the
    /// configured number.
    pub(super) fn order_standby(&self, agent: Arc<Member>) {
        let has = self.ready.lock().get(&agent.serial()).map_or(0, Vec::len);
        if has >= self.app.config().relay.warm {
            return;
        }
        let mut rendezvous = self.rendezvous(&agent, "");
        let order =
            Order::Standby { ticket: rendezvous.ticket.clone(), relay: self.raw_address().to_owned() };
        if !agent.order(order) {
            return;
        }
        let relay = self.clone();
        self.tasks.spawn(async move {
            // The relay does without a connection that does not arrive.
            let Ok(arrived) = rendezvous.agent().await else { return };
            let id = rendezvous.ticket.id;
            drop(rendezvous);
            relay.hold_ready(&agent, id, arrived).await;
        });
    }

    async fn hold_ready(&self, agent: &Arc<Member>, id: [u8; 16], mut arrived: Arrived) {
        let stays =
            self.app.devices.joined.listening(agent.address()).is_some_and(|now| Arc::ptr_eq(&now, agent));
        if !stays {
            return;
        }
        let (take, mut taken) = oneshot::channel::<oneshot::Sender<Arrived>>();
        self.ready.lock().entry(agent.serial()).or_default().push(Ready { id, take });
        let mut nothing = [0; 1];
        tokio::select! {
            biased;
            asked = &mut taken => {
                if let Ok(asked) = asked {
                    // The recipient may have gone.
                    let _ = asked.send(arrived);
                }
                return;
            }
            // The connection has ended. Bytes that arrive out of turn end it as well.
            _ = arrived.stream.read(&mut nothing) => {}
            () = sleep(WARM_FOR) => {}
        }
        if let Some(waiting) = self.ready.lock().get_mut(&agent.serial()) {
            waiting.retain(|other| other.id != id);
        }
    }

    /// Drops the ready connections of an agent that has gone.
    pub(super) fn forget_ready(&self, agent: &Member) {
        self.ready.lock().remove(&agent.serial());
    }
}
