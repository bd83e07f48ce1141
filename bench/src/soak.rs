//! The soak: a thousand sessions open and close, ten times. The gateway must release all of their
//! resources.

use std::time::Duration;

use anyhow::Result;

use crate::guest::Guest;
use crate::peer::{Kind, Peer, Programs};
use crate::scenario::open;
use crate::{pause, say};

const SESSIONS: usize = 1000;
const CYCLES: usize = 10;
/// The pause after a cycle. Viewers disconnect abruptly; the gateway closes each connection and
/// records each end.
const REST: Duration = Duration::from_secs(3);
/// The growth that the allocator's bookkeeping may cause. Sessions that leak a single KiB each
/// would show as 10 MiB.
const SLACK_KIB: f64 = 2048.0;

/// The gateway's resources.
struct Held {
    descriptors: usize,
    tasks: f64,
    pss: f64,
}

impl Held {
    fn by(peer: &Peer) -> Result<Self> {
        // The request for metrics has a connection and a task of its own, the same each time.
        let tasks = peer.metric("transom_tasks")?;
        Ok(Self { descriptors: peer.tree.descriptors()?, tasks, pss: peer.tree.pss()? })
    }

    fn line(&self, when: &str) -> Result<()> {
        say(&format!("| {when} | {} | {} | {:.0} |", self.descriptors, self.tasks, self.pss))
    }
}

/// Prints the resources before and after each cycle, and returns whether they were released.
pub(crate) fn run(programs: &Programs) -> Result<bool> {
    let guest = Guest::start()?;
    let peer = Peer::start(Kind::Transom, programs, guest.address)?;
    say("| | descriptors | tasks | PSS KiB |\n|---|---|---|---|")?;
    Held::by(&peer)?.line("started")?;
    // The first cycle is the warm-up: pools fill, threads start, tables grow.
    let mut warm = None;
    let mut last = None;
    for cycle in 1..=CYCLES {
        let viewers = open(&peer, SESSIONS)?;
        Held::by(&peer)?.line(&format!("{cycle}: {SESSIONS} open"))?;
        drop(viewers);
        pause(REST);
        let held = Held::by(&peer)?;
        held.line(&format!("{cycle}: closed"))?;
        if warm.is_none() {
            warm = Some(held);
        } else {
            last = Some(held);
        }
    }
    let (Some(warm), Some(last)) = (warm, last) else { return Ok(false) };
    let same = last.descriptors <= warm.descriptors && last.tasks <= warm.tasks;
    let holds = same && last.pss <= warm.pss + SLACK_KIB;
    say(if holds { "all resources were released" } else { "**some resources were not released**" })?;
    Ok(holds)
}
