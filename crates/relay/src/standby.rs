//! Connections that are kept warm: an agent that had a session opens a data connection for the next one, so that this
//! begins without a handshake with the server. It is authenticated when it is opened, and bound to a ticket when it is used.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Relay;
use super::arrival::Arrived;
use super::kept::{Reserve, Waiting};
use transom_app::devices::{Member, Order};

/// A screen that was looked at is looked at again soon, or not today.
const WARM_FOR: Duration = Duration::from_secs(10 * 60);

impl Relay {
    /// One of this agent's connections, where there is one.
    pub(super) fn take_reserve(&self, agent: &Member) -> Option<Reserve> {
        let mut kept = self.kept.lock();
        let waiting = kept.get_mut(&agent.serial())?;
        while let Some(next) = waiting.pop() {
            let (give, stream) = oneshot::channel();
            // One whose connection has just ended is passed over.
            if next.take.send(give).is_ok() {
                return Some(Reserve { id: next.id, stream });
            }
        }
        None
    }

    /// Asks an agent that has a session now for a connection for the next one, up to the number that is configured.
    pub(super) fn keep_warm(&self, agent: Arc<Member>) {
        let has = self.kept.lock().get(&agent.serial()).map_or(0, Vec::len);
        if has >= self.app.config().relay.warm {
            return;
        }
        let mut rendezvous = self.rendezvous(&agent, "");
        let order = Order::Standby { ticket: rendezvous.ticket.clone(), relay: self.place().to_owned() };
        if !agent.order(order) {
            return;
        }
        let relay = self.clone();
        self.tasks.spawn(async move {
            // One that does not come is not missed.
            let Ok(arrived) = rendezvous.agent().await else { return };
            let id = rendezvous.ticket.id;
            drop(rendezvous);
            relay.keep(&agent, id, arrived).await;
        });
    }

    async fn keep(&self, agent: &Arc<Member>, id: [u8; 16], mut arrived: Arrived) {
        let stays =
            self.app.devices.joined.listening(agent.address()).is_some_and(|now| Arc::ptr_eq(&now, agent));
        if !stays {
            return;
        }
        let (take, mut taken) = oneshot::channel::<oneshot::Sender<Arrived>>();
        self.kept.lock().entry(agent.serial()).or_default().push(Waiting { id, take });
        let mut nothing = [0; 1];
        tokio::select! {
            biased;
            asked = &mut taken => {
                if let Ok(asked) = asked {
                    // Whoever asked may have gone.
                    let _ = asked.send(arrived);
                }
                return;
            }
            // Its end; or words out of turn, which end it as well.
            _ = arrived.stream.read(&mut nothing) => {}
            () = sleep(WARM_FOR) => {}
        }
        if let Some(waiting) = self.kept.lock().get_mut(&agent.serial()) {
            waiting.retain(|other| other.id != id);
        }
    }

    /// An agent has gone, and what it kept ready goes too.
    pub(super) fn forget_kept(&self, agent: &Member) {
        self.kept.lock().remove(&agent.serial());
    }
}
