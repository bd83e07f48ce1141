//! A device that speaks the repeater's protocol and is cut off for minutes, without noticing that
//! the network failed.

use std::process::Command;
use std::time::{Duration, Instant};

use transom_testkit::internet::{Host, Internet, SERVER};
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::devices::text;
use crate::repeater::type_by_repeater;
use crate::transom;

/// The limit for the device to become offline. It is probed after 20 to 31 s of silence, and is
/// offline after two unanswered probes.
const OFFLINE: Duration = Duration::from_secs(60);
/// The duration of the cut. TCP gives up any other connection after two minutes.
const CUT_OFF: Duration = Duration::from_secs(150);
/// The limit for the device to come back. It is probed every 20 s.
const BACK: Duration = Duration::from_secs(45);

/// Waits until the address is online, or is not, and returns the time that it took.
fn turns(internet: &Internet, program: &Program, address: &str, online: bool, limit: Duration) -> Duration {
    let begun = Instant::now();
    let show = format!("address show {address}");
    while internet.at(Host::Server, || program.ask_json(&show))["online"] != online {
        assert!(begun.elapsed() < limit, "it is not {online} after {} s", begun.elapsed().as_secs());
    }
    begun.elapsed()
}

#[test]
fn an_x11vnc_that_was_cut_off_for_minutes_is_offline_soon_and_comes_back() {
    let internet = Internet::build();
    let program = internet.at(Host::Server, || {
        let program = transom().listening(&format!("{SERVER}:8443")).with(["--self-signed"]);
        let config = format!("[repeater]\ndevices = \"{SERVER}:5500\"\nviewers = \"{SERVER}:5901\"\n");
        let config = program.file("transom.toml", &config);
        let program = program.environment("TRANSOM_CONFIG", config).serving();
        program.ask("project add lab");
        program
    });
    let ask = |line: &str| internet.at(Host::Server, || program.ask_json(line));
    let key = text(&ask("key add --project lab"), "id");
    let address = text(&ask(&format!("address add --key {key} --action listen")), "cloudAddress");
    let ticket = internet.at(Host::Server, || program.ask(&format!("repeater ticket {address}")));
    let (screen, x11vnc) = internet.at(Host::Device, || {
        let screen = Xvnc::start(Security::None);
        let mut x11vnc = Command::new("x11vnc");
        x11vnc.args([
            "-display",
            screen.display(),
            "-norc",
            "-nopw",
            "-rfbport",
            "0",
            "-noshm",
            "-noxdamage",
        ]);
        x11vnc.args(["-connect", &format!("repeater=ID:{ticket}+{SERVER}:5500")]);
        let x11vnc = Process::start("x11vnc", &mut x11vnc);
        (screen, x11vnc)
    });
    turns(&internet, &program, &address, true, PATIENCE);
    internet.unplug_device();
    let taken = turns(&internet, &program, &address, false, OFFLINE);
    assert!(!x11vnc.stderr().ends(CUT_OFF.saturating_sub(taken)), "it does not know");
    assert_eq!(ask(&format!("address show {address}"))["online"], false);
    internet.plug_device();
    turns(&internet, &program, &address, true, BACK);
    // The same connection is still usable for a viewer.
    let id = internet.at(Host::Server, || program.ask(&format!("repeater viewer {address}")));
    internet.at(Host::Server, || type_by_repeater(&format!("{SERVER}:5901"), &id, "still here\n"));
    screen.typed().expect("still here\n", PATIENCE);
}
