//! Devices: thousands of agents on one node, the time to a device's first byte, and the cost of
//! transporting its screen.
//!
//! ```text
//! this process: connectors ──► node (own process) ◄── agents (own process) ──► guest (own process)
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

/// The parts to measure.
pub(crate) struct Plan {
    /// The number of agents.
    pub(crate) agents: usize,
    /// The rounds of the comparison with rathole.
    pub(crate) rounds: usize,
    /// The path of rathole's program.
    pub(crate) rathole: Rathole,
    /// The names of the parts to measure; empty for all.
    pub(crate) only: Vec<String>,
}

/// Measures joining, rest and restart; then the first byte and bulk.
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

/// Creates this many addresses under one key, and times each operation on the way.
pub(crate) fn addresses(programs: &Programs, count: usize) -> Result<bool> {
    addresses::run(programs, count)?;
    Ok(true)
}

/// Prints a heading and the head of a table.
fn table(title: &str, columns: &[&str]) -> Result<()> {
    say(&format!("\n{title}\n\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len())))
}

fn row(cells: &[String]) -> Result<()> {
    say(&format!("| {} |", cells.join(" | ")))
}

/// Returns the value below which this many percent of the values lie.
fn percentile(values: &mut [f64], hundredths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * hundredths / 100).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}
