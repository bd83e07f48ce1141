//! Devices: agents by the thousand on one node, the way to a device's first byte, and what its screen costs on the way.
//!
//! ```text
//! this process: connectors ──► node (a process of its own) ◄── agents (a process of their own) ──► guest (another one)
//! ```

mod addresses;
pub(crate) mod agents;
mod bulk;
mod first_byte;
mod fleet;
mod node;

use anyhow::Result;

use crate::guest::Guest;
use crate::peer::Programs;
use crate::say;

pub(crate) use bulk::Rathole;

/// What to measure.
pub(crate) struct Plan {
    /// How many agents are joined.
    pub(crate) agents: usize,
    /// Rounds of the comparison with rathole.
    pub(crate) rounds: usize,
    /// rathole's program.
    pub(crate) rathole: Rathole,
    /// Only these parts; empty: all.
    pub(crate) only: Vec<String>,
}

/// Joins, rests, restarts; then the first byte and bulk.
pub(crate) fn run(programs: &Programs, plan: &Plan) -> Result<bool> {
    let guest = Guest::start()?;
    let chosen = |part: &str| plan.only.is_empty() || plan.only.iter().any(|only| only == part);
    if chosen("fleet") {
        fleet::run(programs, plan.agents, guest.address)?;
    }
    if chosen("first-byte") {
        first_byte::run(programs, guest.address)?;
    }
    if chosen("bulk") { bulk::run(programs, plan, guest.address) } else { Ok(true) }
}

/// Makes so many addresses under one key, and times each operation on the way.
pub(crate) fn addresses(programs: &Programs, count: usize) -> Result<bool> {
    addresses::run(programs, count)?;
    Ok(true)
}

/// A heading and the head of a table.
fn table(title: &str, columns: &[&str]) -> Result<()> {
    say(&format!("\n{title}\n\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len())))
}

fn row(cells: &[String]) -> Result<()> {
    say(&format!("| {} |", cells.join(" | ")))
}

/// The value below which so many of a hundred lie.
fn percentile(values: &mut [f64], hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * hundredths / 100).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}
