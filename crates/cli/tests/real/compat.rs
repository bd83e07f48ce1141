//! An earlier version's programs beside today's: run by `make compat`, not by `make test`.

use std::process::Command;

use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::devices::{Address, Fleet, type_by_rfb};
use crate::{add, console, lab, transom};

/// The variable in which `make compat` passes the path of the earlier program.
const EARLIER: &str = "TRANSOM_EARLIER";

const TODAY: &str = env!("CARGO_BIN_EXE_transom");

fn earlier() -> String {
    std::env::var(EARLIER).unwrap_or_else(|_| panic!("{EARLIER} is not set: run `make compat`"))
}

/// Starts a program at this path, with the options of the fleet's own.
fn start(fleet: &Fleet, program: &str, words: &str) -> Process {
    let own = fleet.program.command();
    let mut command = Command::new(program);
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(own.get_current_dir().expect("a folder"));
    Process::start("transom", command.args(words.split_whitespace()))
}

/// Expects that these two reach a screen: an agent at its side, a connector at the viewer's.
fn reach(fleet: &Fleet, agent: &str, connector: &str) {
    let (device, desk): (Address, Address) = (fleet.address("listen", ""), fleet.address("connect", ""));
    let xvnc = Xvnc::start(Security::None);
    let words = format!("agent {} --to {}", fleet.joining(&device), xvnc.address());
    let agent = start(fleet, agent, &words);
    agent.stderr().expect("Online\n", PATIENCE);
    let connector = start(fleet, connector, &format!("connect {} {}", device.name, fleet.joining(&desk)));
    let port = connector.stdout().find(PATIENCE, |text| Some(text.split_once('\n')?.0.to_owned()));
    type_by_rfb(&port.expect("the device is there"), "through two versions\n");
    xvnc.typed().expect("through two versions\n", PATIENCE);
}

#[test]
fn an_earlier_agent_and_connector_work_with_todays_node_and_with_each_other() {
    let fleet = Fleet::set();
    for (agent, connector) in [(&*earlier(), TODAY), (TODAY, &*earlier()), (&*earlier(), &*earlier())] {
        reach(&fleet, agent, connector);
    }
}

#[test]
fn todays_agent_and_connector_work_with_an_earlier_node() {
    reach(&Fleet::of(lab(Program::at(earlier()))), TODAY, TODAY);
}

#[test]
fn chromium_opens_consoles_at_an_earlier_node_and_at_todays_on_one_postgresql() {
    let database = transom_testkit::postgres::database();
    let xvnc = Xvnc::start(Security::None);
    let node = |program: Program| program.with(["--database", &database]);
    let mut old = node(Program::at(earlier())).serving();
    old.ask("project add lab");
    add(&old, "desk", &xvnc.endpoint(), "");
    let master_key = old.data().join("master.key").display().to_string();
    // Today's node extends the schema beyond the earlier one's knowledge, while that node runs.
    let new = node(transom()).with(["--master-key-file", &master_key]).serving();
    let typed = |program: &Program, line: &str| {
        let visit = transom_testkit::chromium::Visit::to(&console(program, "desk"));
        let page = visit.typing(&format!("{line}\n")).start();
        page.reaches("live", 1);
        page.finish();
        xvnc.typed().expect(&format!("{line}\n"), PATIENCE);
    };
    typed(&new, "at the new one");
    typed(&old, "at the old one");
    // The earlier node starts again on the newer schema, or says why it does not.
    old.server().kill();
    old.serve();
    typed(&old, "once more");
    assert_eq!(old.ask_json("project list"), new.ask_json("project list"));
}
