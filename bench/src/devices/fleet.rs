//! A fleet on one node: the rate at which it joins, its cost at rest, and its return after the node
//! was killed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::agents::Agents;
use super::node::{Kind, Node};
use super::{row, table};
use crate::peer::Programs;
use crate::{note, pause, say};

/// The time for three heartbeats of each agent.
const REST: Duration = Duration::from_secs(60);
/// The time in which the allocator gives back the memory that joining took.
const SETTLE: Duration = Duration::from_secs(3);
const JOIN: Duration = Duration::from_secs(300);
/// The limit for all agents to be back.
const BACK: Duration = Duration::from_secs(60);
/// The longest bar of the curve.
const BAR: usize = 60;

pub(super) fn run(programs: &Programs, count: usize, target: SocketAddr) -> Result<()> {
    let mut node = Node::start(programs, Kind { raw: true, warm: 1 })?;
    note(&format!("creating {count} addresses"));
    let own = (0..count).map({
        let mut client = node.client()?;
        move |_| client.make("listen")
    });
    let own = own.collect::<Result<Vec<_>>>()?;
    pause(SETTLE);
    let (memory, cpu, begun) = (node.tree().pss()?, node.tree().cpu()?, Instant::now());
    let agents = Agents::start(&node, &own, target)?;
    let joined = agents.join(count, JOIN)?;
    let last = joined.last().map_or(0.0, |last| (*last - begun).as_secs_f64());
    let per_join = (node.tree().cpu()? - cpu) * 1e6 / count as f64;
    pause(SETTLE);
    let each = (node.tree().pss()? - memory) / count as f64;
    let at_agents = agents.tree().pss()? / count as f64;
    let before = (node.tree().cpu()?, agents.tree().cpu()?);
    pause(REST);
    let percent = |after: f64, before: f64| (after - before) / REST.as_secs_f64() * 100.0;
    let resting = (percent(node.tree().cpu()?, before.0), percent(agents.tree().cpu()?, before.1));
    table(
        &format!("{count} agents on one node"),
        &[
            "joins a second",
            "CPU-µs of the node for each",
            "KiB of the node for each",
            "KiB at the agents",
            "node at rest, % of a core",
            "agents at rest, %",
        ],
    )?;
    row(&[
        format!("{:.0}", count as f64 / last),
        format!("{per_join:.0}"),
        format!("{each:.1}"),
        format!("{at_agents:.1}"),
        format!("{:.2}", resting.0),
        format!("{:.2}", resting.1),
    ])?;
    let killed = Instant::now();
    node.restart()?;
    let started = killed.elapsed();
    let back = agents.join(count, BACK)?;
    say(&format!(
        "\nThe node was killed, and was back after {:.1} s. Agents back, second by second:\n\n```",
        started.as_secs_f64()
    ))?;
    let mut seconds = vec![0; BACK.as_secs() as usize + 1];
    for time in &back {
        seconds[(*time - killed).as_secs() as usize] += 1;
    }
    let most = seconds.iter().copied().max().unwrap_or(1).max(1);
    let until = seconds.iter().rposition(|count| *count > 0).unwrap_or(0);
    for (second, count) in seconds.iter().enumerate().take(until + 1) {
        say(&format!("{second:3} s {count:5} {}", "#".repeat(count * BAR / most)))?;
    }
    say("```")
}
