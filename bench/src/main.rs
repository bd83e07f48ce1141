//! Measures the cost of a console: the gateway beside websockify and nginx stream, with real RFB,
//! in one interleaved run.
//!
//! ```text
//! this process: viewers ──► gateway (own processes) ──► guest: a VNC server (own process)
//! ```
//!
//! `devices` measures thousands of agents, and a device's screen beside rathole.
//!
//! `README.md` beside this crate tells how to run it and how to read the figures.

mod devices;
mod endurance;
mod guest;
mod peer;
mod report;
mod rfb;
mod scenario;
mod soak;
mod usage;
mod viewer;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use guest::Guest;
use peer::{Kind, Peer, Programs};
use report::Report;

const USAGE: &str = "usage: transom-bench compare [--rounds N] [--only SCENARIO]… | soak
       transom-bench endurance [--seconds N] [--idle N] [--active N] [--arrivals N]
       transom-bench devices [--agents N] [--rounds N] [--only fleet|first-byte|bulk]… | addresses [--count N]
       with --transom FILE, --websockify FILE and --rathole FILE for programs outside target/";

struct Arguments {
    command: String,
    rounds: usize,
    only: Vec<String>,
    agents: usize,
    count: usize,
    endurance: endurance::Plan,
    rathole: PathBuf,
    programs: Programs,
}

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("agents", rest)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        raise_descriptor_limit()?;
        return devices::agents::run(rest).map(|()| ExitCode::SUCCESS);
    }
    let arguments = arguments()?;
    raise_descriptor_limit()?;
    let holds = match arguments.command.as_str() {
        "guest" => guest::run().map(|()| true),
        "compare" => compare(&arguments),
        "soak" => soak::run(&arguments.programs),
        "endurance" => endurance::run(&arguments.programs, arguments.endurance),
        "devices" => {
            let rathole = devices::Rathole(arguments.rathole.clone());
            let plan = devices::Plan {
                agents: arguments.agents,
                rounds: arguments.rounds,
                rathole,
                only: arguments.only.clone(),
            };
            devices::run(&arguments.programs, &plan)
        }
        "addresses" => devices::addresses(&arguments.programs, arguments.count),
        _ => bail!(USAGE),
    }?;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the rounds, and in each all scenarios, so that other load on the machine affects all
/// gateways alike.
fn compare(arguments: &Arguments) -> Result<bool> {
    let guest = Guest::start()?;
    let mut report = Report::default();
    let chosen = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    for round in 0..arguments.rounds {
        for scenario in scenario::ALL.iter().filter(|scenario| chosen(scenario.name)) {
            for kind in Kind::ALL {
                let measured = Peer::start(kind, &arguments.programs, guest.address)
                    .and_then(|peer| (scenario.run)(&peer))
                    .with_context(|| format!("{} with {}", scenario.name, kind.name()));
                let measured = match measured {
                    // On a busy machine another gateway may fail, and the round continues without
                    // it. Ours must not fail.
                    Err(error) if kind != Kind::Transom => {
                        note(&format!("round {}: {error:#}", round + 1));
                        continue;
                    }
                    measured => measured?,
                };
                for (name, value) in measured {
                    note(&format!(
                        "round {} {name:16} {:12} {}",
                        round + 1,
                        kind.name(),
                        report::short(value)
                    ));
                    report.add(round, kind, name, value);
                }
            }
        }
    }
    let (table, holds) = report.table();
    say(&table)?;
    Ok(holds)
}

fn arguments() -> Result<Arguments> {
    let beside = std::env::current_exe()?.with_file_name("transom");
    let target = beside.ancestors().nth(2).context("no target folder")?.to_owned();
    let mut parsed = Arguments {
        command: std::env::args().nth(1).context(USAGE)?,
        rounds: 5,
        only: Vec::new(),
        agents: 1000,
        count: 1_000_000,
        endurance: endurance::Plan::default(),
        rathole: target.join("bench/rathole/bin/rathole"),
        programs: Programs { transom: beside, websockify: target.join("bench/venv/bin/websockify") },
    };
    let mut rest = std::env::args().skip(2);
    while let Some(name) = rest.next() {
        let value = rest.next().context(USAGE)?;
        match name.as_str() {
            "--rounds" => parsed.rounds = value.parse()?,
            "--only" => parsed.only.push(value),
            "--agents" => parsed.agents = value.parse()?,
            "--count" => parsed.count = value.parse()?,
            "--seconds" => parsed.endurance.length = Duration::from_secs(value.parse()?),
            "--idle" => parsed.endurance.idle = value.parse()?,
            "--active" => parsed.endurance.active = value.parse()?,
            "--arrivals" => parsed.endurance.arrivals = value.parse()?,
            "--rathole" => parsed.rathole = PathBuf::from(value),
            "--transom" => parsed.programs.transom = PathBuf::from(value),
            "--websockify" => parsed.programs.websockify = PathBuf::from(value),
            _ => bail!(USAGE),
        }
    }
    Ok(parsed)
}

/// Raises the limit on descriptors. A thousand viewers need as many, and so do gateway and guest,
/// which inherit the limit.
fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// Prints a line of the result.
fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Prints a line of progress.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Waits where there is no event to wait for.
#[expect(clippy::disallowed_methods, reason = "these threads have no runtime")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
