//! The monitor: tells a connector which of its watched peers it can reach now (requirement S10).
//!
//! A peer that the rule forbids is `Unknown` to the connector. A peer that does not exist, was
//! removed or belongs to another key looks like an absent one (requirement S9).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use transom_model::cloud::CloudAddress;
use transom_tunnel::message::MAX_WATCHED;
use transom_tunnel::{Availability, Refusal, RefusalCode};

use transom_app::App;
use transom_app::devices::Member;

/// The pause after which a failed look is repeated.
const AGAIN: Duration = Duration::from_secs(5);

/// The peers that one connector watches.
pub(super) struct Monitor {
    app: Arc<App>,
    connector: Arc<Member>,
    movements: watch::Receiver<u64>,
    rules: watch::Receiver<i64>,
    watched: Vec<Watched>,
}

struct Watched {
    call: u32,
    /// The peer's address. `None` if the connector sent text that is not an address.
    peer: Option<CloudAddress>,
    /// The device that was online and the version of the rules at the last look. `None` if a look
    /// is due.
    looked: Option<(Option<u64>, i64)>,
    told: Option<Availability>,
}

impl Monitor {
    pub(super) fn new(app: Arc<App>, connector: Arc<Member>) -> Self {
        let (movements, rules) = app.devices.joined.watch();
        Self { app, connector, movements, rules, watched: Vec::new() }
    }

    /// Begins to watch a peer.
    pub(super) fn add(&mut self, call: u32, peer: &str) -> Result<(), Refusal> {
        if self.watched.len() >= MAX_WATCHED {
            return Err(
                Refusal::from(RefusalCode::PeerBusy).because("this connector already watches too many peers")
            );
        }
        self.watched.push(Watched { call, peer: peer.parse().ok(), looked: None, told: None });
        Ok(())
    }

    /// Returns the next news. It is cancel-safe: a later call finds undelivered news again.
    pub(super) async fn news(&mut self) -> (u32, Availability) {
        loop {
            // This precedes the look, so that a change during the look causes another one.
            self.movements.mark_unchanged();
            let rules = *self.rules.borrow_and_update();
            for n in 0..self.watched.len() {
                if let Some(news) = self.look(n, rules).await {
                    return news;
                }
            }
            let unsettled = self.watched.iter().any(|watched| watched.looked.is_none());
            tokio::select! {
                _ = self.movements.changed() => {}
                _ = self.rules.changed() => {}
                () = sleep(AGAIN), if unsettled => {}
            }
        }
    }

    /// Looks at one peer, if its state may have changed.
    async fn look(&mut self, n: usize, rules: i64) -> Option<(u32, Availability)> {
        let watched = self.watched.get(n)?;
        let (looked, availability) = match &watched.peer {
            None => (Some((None, rules)), Availability::Unavailable),
            Some(peer) => {
                let present = self.app.devices.joined.listening(peer).map(|member| member.serial());
                let now = Some((present, rules));
                if watched.looked == now {
                    return None;
                }
                match self.judge(peer).await {
                    Ok(availability) => (now, availability),
                    // The database does not answer.
                    Err(_) => (None, Availability::Unknown),
                }
            }
        };
        let watched = self.watched.get_mut(n)?;
        watched.looked = looked;
        let before = watched.told.replace(availability);
        (before != Some(availability)).then_some((watched.call, availability))
    }

    async fn judge(&self, peer: &CloudAddress) -> Result<Availability, Refusal> {
        match self.app.devices.judge_connection(&self.connector, peer).await {
            Ok(listener) if self.app.devices.reached_by_connector(&listener).is_ok() => {
                Ok(Availability::Available)
            }
            Ok(_) => Ok(Availability::Unavailable),
            Err(refusal) => match refusal.code {
                RefusalCode::CloudTargetNotFound => Ok(Availability::Unavailable),
                RefusalCode::CloudConnectivityError => Err(refusal),
                _ => Ok(Availability::Unknown),
            },
        }
    }
}
