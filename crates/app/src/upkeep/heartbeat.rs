//! The heartbeat: shows the other nodes that this one is alive, watches their beats, ends lapsed
//! sessions, and writes owed records.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, timeout};
use tokio_util::sync::CancellationToken;
use transom_model::id::NodeId;
use transom_store::{Earlier, Node, NodeState, Store, StoreError, ToEnd};

use crate::fence;
use crate::random;
use crate::upkeep::Upkeep;
use crate::upkeep::watch;
use crate::upkeep::witness::Witness;

/// The version that the other nodes see.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs the heartbeat until `stop` is cancelled.
pub async fn run(upkeep: Arc<Upkeep>, stop: CancellationToken) {
    let limits = upkeep.core.config.limits.node;
    let mut pulse = watch::interval(limits.beat);
    let mut round = Round {
        witness: Witness::new(limits.gone, limits.gap),
        compared: Some(fence::now()),
        gone: Vec::new(),
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = upkeep.beat(&mut pulse, &mut round) => {}
        }
    }
}

/// State that the heartbeat keeps from one beat to the next.
struct Round {
    witness: Witness,
    /// The time of the last comparison between the store and what this node carries. `None` means
    /// that one is due.
    compared: Option<Duration>,
    /// The nodes that were gone when their sessions and devices were last released.
    gone: Vec<Node>,
}

impl Upkeep {
    async fn beat(&self, pulse: &mut Interval, round: &mut Round) {
        pulse.tick().await;
        let begun = fence::now();
        if !self.is_heard(begun).await {
            // The store may or may not have performed earlier calls, so a comparison is due.
            round.compared = None;
            // A full disk can still be read. A session whose beginning was not written is unknown
            // to the store, so no revocation would end it.
            if self.core.fence.is_alone()
                && let Err(error) = self.end_lost_sessions().await
            {
                tracing::warn!(%error, "this node's sessions could not be compared with the database");
            }
            return;
        }
        match self.look_at_nodes(begun, round).await.and(self.sweep().await) {
            Ok(true) => pulse.reset_immediately(),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "lapsed sessions could not be ended; retrying"),
        }
        let limits = self.core.config.limits.node;
        // Records that are still owed then wait for the next beat.
        let _ = timeout(limits.beat, self.settle_debts()).await;
        self.access.settle_token_uses().await;
        let due = round.compared.is_none_or(|at| begun.saturating_sub(at) >= limits.compare);
        if due && self.compare().await {
            round.compared = Some(begun);
        }
    }

    /// Writes all owed records, until the database becomes unavailable.
    async fn settle_debts(&self) {
        self.revocations.settle_revocations().await;
        self.consoles.settle_sessions().await;
        if let Err(error) = self.devices.settle_leaves().await {
            tracing::warn!(%error, "departures of devices are still not in the database");
        }
    }

    /// Records a beat of this node, or begins another life. Returns whether the store recorded it.
    async fn is_heard(&self, begun: Duration) -> bool {
        let heard = match self.core.fence.standing() {
            Some(node) => self.core.store.beat(node).await,
            None => self.live_again(begun).await.map(|()| true),
        };
        match heard {
            Ok(true) => {
                // The other nodes count from the write, which is not before `begun`.
                self.core.fence.beaten(begun);
                true
            }
            // No other node claims its rows, and a restored database may lack its row.
            Ok(false) if self.core.fence.is_alone() => true,
            Ok(false) => {
                self.cut_everything("the other nodes consider it gone");
                let lives = self.live_again(begun).await;
                lives
                    .inspect_err(|error| tracing::warn!(%error, "this node could not register again"))
                    .is_ok()
            }
            Err(error) => {
                tracing::warn!(%error, "this node's heartbeat did not reach the database; retrying");
                false
            }
        }
    }

    /// Begins another life after everything was cut.
    async fn live_again(&self, begun: Duration) -> Result<(), StoreError> {
        let Node { id, incarnation } = self.core.fence.last();
        let node = match self.core.store.register_node(id, VERSION, Earlier::Own(incarnation)).await? {
            Some(node) => node,
            None => self.take_another_id(id).await?,
        };
        self.core.fence.begin(node, begun);
        tracing::info!(node = %node.id, incarnation = node.incarnation, "this node is registered again");
        Ok(())
    }

    /// Registers the node under a new id, because another process uses its id.
    async fn take_another_id(&self, before: NodeId) -> Result<Node, StoreError> {
        let id = NodeId(random::uuid());
        let node = self.core.store.register_node(id, VERSION, Earlier::Unknown).await?;
        let node = node.ok_or(StoreError::Conflict("the node's id is taken"))?;
        tracing::warn!(node = %id, %before, "another process uses this node's id, so the node takes a new one");
        (self.keep_node)(id);
        Ok(node)
    }

    /// Checks the other nodes' beats, declares silent nodes gone, and releases what gone nodes
    /// carried.
    async fn look_at_nodes(&self, begun: Duration, round: &mut Round) -> crate::Result<()> {
        let pulses = self.core.store.pulses().await?;
        let count = |state| pulses.iter().filter(|pulse| pulse.state == state).count();
        self.core.metrics.set_nodes(NodeState::ALL.map(|state| (state.as_str(), count(state))));
        let mut gone: Vec<_> = pulses.iter().filter(|pulse| pulse.state == NodeState::Gone).collect();
        let silent = match self.core.fence.is_alone() {
            true => Vec::new(),
            false => round.witness.look(begun, &pulses, self.core.fence.last().id),
        };
        for pulse in &silent {
            if self.core.store.declare_gone(*pulse).await? {
                tracing::warn!(node = %pulse.node.id, "a node has sent no heartbeat for too long and is considered gone");
                gone.push(pulse);
            }
        }
        let gone: Vec<_> = gone.into_iter().map(|pulse| pulse.node).collect();
        if gone.iter().any(|node| !round.gone.contains(node)) {
            self.core.store.let_go().await?;
        }
        round.gone = gone;
        Ok(())
    }

    /// Ends some lapsed sessions. Returns whether there may be more.
    async fn sweep(&self) -> crate::Result<bool> {
        let round = self.core.store.sweep().await?;
        let more = round.len() >= Store::SWEEP as usize;
        for swept in round {
            self.core.metrics.session_ended(swept.reason);
            tracing::info!(session = %swept.session, link = %swept.grant, reason = %swept.reason, "session lapsed");
        }
        Ok(more)
    }

    /// Compares the sessions and devices of this node with the store, and ends or corrects the
    /// differences. Returns false if that failed.
    async fn compare(&self) -> bool {
        let compared = timeout(self.core.config.limits.node.compare, async {
            self.end_lost_sessions().await?;
            self.devices.reconcile_presence().await?;
            self.devices.enforce_devices().await
        });
        match compared.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "this node's sessions and devices could not be compared with the database");
                false
            }
            Err(_) => false,
        }
    }

    /// Ends the sessions that the store no longer attributes to this node, since no revocation
    /// would reach them.
    async fn end_lost_sessions(&self) -> crate::Result<()> {
        let node = self.core.node()?;
        for holds in self.live.holds().chunks(Store::HOLDS) {
            for ToEnd { hold, reason } in self.core.store.lost_holds(node, holds.to_vec()).await? {
                if self.live.cut(hold, reason.into()) {
                    tracing::warn!(session = %hold.session, %reason, "ending a session that the database no longer assigns to this node");
                }
            }
        }
        Ok(())
    }
}
