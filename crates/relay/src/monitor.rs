//! The monitor: which of the peers that a connector watches can be reached now (requirement S10).
//!
//! A peer that it may not reach by the rule is unknown to it; what does not exist, was removed or is another key's looks like
//! what is not there (requirement S9).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use transom_model::cloud::CloudAddress;
use transom_tunnel::message::MAX_WATCHED;
use transom_tunnel::{Availability, Refusal, RefusalCode};

use transom_app::App;
use transom_app::devices::Member;

/// What could not be looked up is looked up again after this.
const AGAIN: Duration = Duration::from_secs(5);

/// What one connector watches.
pub(super) struct Monitor {
    app: Arc<App>,
    connector: Arc<Member>,
    movements: watch::Receiver<u64>,
    rules: watch::Receiver<i64>,
    watched: Vec<Watched>,
}

struct Watched {
    call: u32,
    /// None: what was said is no address.
    peer: Option<CloudAddress>,
    /// Who was there and which rules were in force when it was last looked at; none: it has to be looked at.
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
            return Err(Refusal::from(RefusalCode::PeerBusy).because("too many peers are watched already"));
        }
        self.watched.push(Watched { call, peer: peer.parse().ok(), looked: None, told: None });
        Ok(())
    }

    /// The next thing to tell. Cancel-safe: what was not told is found again.
    pub(super) async fn news(&mut self) -> (u32, Availability) {
        loop {
            // Before the look: what changes meanwhile is looked at again.
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

    /// Looks at one peer, where anything may have changed for it.
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
