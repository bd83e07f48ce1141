//! The NAT laboratory: the device and the viewer are each behind a NAT without inbound connections,
//! and the server is in the open between them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use transom_testkit::internet::{DEVICE, DEVICE_NAT, Host, Internet, SERVER};
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::devices::{text, type_by_rfb};
use crate::{lab, transom};

/// The limit for a dial. Through a NAT that drops all packets it would wait for minutes.
const DIAL: Duration = Duration::from_secs(2);
/// The duration of a cut after which connections continue.
const CUT: Duration = Duration::from_secs(20);
/// The limit for noticing a lost connection. Both ends of a session do within 70 s; on a busy
/// machine it takes a little longer.
const NOTICED: Duration = Duration::from_secs(90);

/// An Xvnc with its agent behind one NAT, and a connector behind the other.
struct Laboratory {
    // The fields are dropped in this order, so processes end before their network.
    connector: Process,
    agent: Process,
    xvnc: Xvnc,
    program: Program,
    internet: Internet,
    port: String,
}

impl Laboratory {
    fn set() -> Self {
        Self::with_clocks(None, None)
    }

    /// The same, with the device's and the viewer's clock shifted by these offsets, in
    /// libfaketime's notation.
    fn with_clocks(device_clock: Option<&str>, viewer_clock: Option<&str>) -> Self {
        let internet = Internet::build();
        let serve = || lab(transom().listening(&format!("{SERVER}:8443")).with(["--self-signed"]));
        let program = internet.at(Host::Server, serve);
        let key = internet.at(Host::Server, || text(&program.ask_json("key add --project lab"), "id"));
        let joining = |name: &str, action: &str| {
            let add = format!("address add --key {key} --action {action}");
            let made = internet.at(Host::Server, || program.ask_json(&add));
            let password = program.file(name, &text(&made, "cloudPassword"));
            let address = text(&made, "cloudAddress");
            let (data, ca) = (program.data().join(name), program.data().join("ca.pem"));
            let line = format!(
                "--server https://{SERVER}:8443 --ca {} --data {} --address {address} --password-file {password}",
                ca.display(),
                data.display()
            );
            (address, line)
        };
        let ((device, as_device), (_, as_viewer)) = (joining("device", "listen"), joining("desk", "connect"));
        let start = |name: &str, line: String, clock: Option<&str>| {
            let mut command = program.command();
            if let Some(clock) = clock {
                command.env("LD_PRELOAD", libfaketime()).env("FAKETIME", clock);
                // A wrong clock runs as fast as any other.
                command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            }
            Process::start(name, command.args(line.split_whitespace()))
        };
        let xvnc = internet.at(Host::Device, || Xvnc::start(Security::None));
        let agent = internet.at(Host::Device, || {
            start("transom agent", format!("agent {as_device} --to {}", xvnc.address()), device_clock)
        });
        agent.stderr().expect("Online\n", PATIENCE);
        let connector = internet.at(Host::Viewer, || {
            start("transom connect", format!("connect {device} {as_viewer}"), viewer_clock)
        });
        let port = connector.stdout().find(PATIENCE, |text| Some(text.split_once('\n')?.0.to_owned()));
        let port = port.expect("the device is found");
        Self { connector, agent, xvnc, program, internet, port }
    }

    /// Runs a viewer's whole session.
    fn visit(&self, line: &str) {
        self.internet.at(Host::Viewer, || type_by_rfb(&self.port, line));
        self.xvnc.typed().expect(line, PATIENCE);
    }

    /// Opens a viewer that stays.
    fn stay(&self) -> TcpStream {
        let viewer =
            self.internet.at(Host::Viewer, || TcpStream::connect(format!("127.0.0.1:{}", self.port)));
        let viewer = viewer.expect("the connector listens");
        self.connector.stderr().expect("Compare this phrase with its agent: ", PATIENCE);
        viewer
    }
}

/// Returns the path of the library that shifts a program's clock.
fn libfaketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a system").flatten();
    let found =
        folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
    found.expect("libfaketime is there: run `make test`, which installs it")
}

/// Tells whether a server answers there.
fn dials(address: &str) -> bool {
    TcpStream::connect_timeout(&address.parse().expect("an address"), DIAL).is_ok()
}

#[test]
fn a_device_that_nobody_can_dial_is_reached_from_behind_another_nat() {
    let laboratory = Laboratory::set();
    let internet = &laboratory.internet;
    // Its VNC server is reachable from its own network only.
    let service = internet.at(Host::Device, || TcpListener::bind("0.0.0.0:5900")).expect("a port of its own");
    assert!(internet.at(Host::Device, || dials(&format!("{DEVICE}:5900"))));
    for from in [Host::Server, Host::Viewer] {
        for to in [DEVICE, DEVICE_NAT] {
            assert!(!internet.at(from, || dials(&format!("{to}:5900"))), "{to} from {from:?}");
        }
    }
    // The path that the NAT has opened for one peer is closed for all others.
    let met = internet.at(Host::Server, || TcpListener::bind(format!("{SERVER}:9000"))).expect("a port");
    let _out = internet.at(Host::Device, || TcpStream::connect(format!("{SERVER}:9000"))).expect("a way out");
    let mapping = met.accept().expect("it came").1;
    assert_eq!(mapping.ip().to_string(), DEVICE_NAT);
    assert!(!internet.at(Host::Viewer, || dials(&mapping.to_string())), "the NAT is not port-restricted");
    drop(service);
    laboratory.visit("from behind two walls\n");
}

#[test]
fn a_session_whose_nat_mapping_expired_ends_at_both_sides_and_the_device_comes_back() {
    let laboratory = Laboratory::set();
    let _viewer = laboratory.stay();
    laboratory.agent.stderr().expect(" is connected", PATIENCE);
    laboratory.internet.forget_mappings();
    // Neither side was told, so each notices on its own.
    laboratory.agent.stderr().expect(" was lost\n", NOTICED);
    laboratory.connector.stderr().expect(" was lost; connect again\n", NOTICED);
    let rejoined = |text: &str| (text.matches("Online\n").count() > 1).then_some(());
    assert!(laboratory.agent.stderr().find(NOTICED, rejoined).is_some(), "the agent comes back");
    laboratory.visit("through a new mapping\n");
}

#[test]
fn a_link_that_was_cut_for_twenty_seconds_costs_no_session_and_no_device() {
    let laboratory = Laboratory::set();
    let mut viewer = laboratory.stay();
    viewer.set_read_timeout(Some(NOTICED)).expect("a limit");
    let mut banner = [0; 12];
    viewer.read_exact(&mut banner).expect("the device speaks first");
    laboratory.internet.unplug_device();
    viewer.write_all(&banner).expect("version");
    assert!(!laboratory.agent.stderr().ends(CUT), "the agent stays, whatever happens to its link");
    laboratory.internet.plug_device();
    // Data that was sent meanwhile is sent again, and arrives.
    let mut types = [0; 2];
    viewer.read_exact(&mut types).expect("the session goes on");
    assert_eq!(types, [1, 1]);
    drop(viewer);
    laboratory.agent.stderr().expect(" has left\n", PATIENCE);
    laboratory.visit("after the cut\n");
    assert!(!laboratory.program.log().contains("ERROR"));
}

#[test]
fn a_server_that_is_killed_loses_its_sessions_and_nothing_else() {
    let mut laboratory = Laboratory::set();
    let mut viewer = laboratory.stay();
    viewer.set_read_timeout(Some(PATIENCE)).expect("a limit");
    viewer.read_exact(&mut [0; 12]).expect("the device speaks first");
    laboratory.program.server().kill();
    let lost = viewer.read(&mut [0]).expect_err("the end is unintended");
    assert_eq!(lost.kind(), std::io::ErrorKind::ConnectionReset);
    for (side, words) in
        [(&laboratory.agent, " was lost\n"), (&laboratory.connector, " was lost; connect again\n")]
    {
        side.stderr().expect(words, PATIENCE);
        side.stderr().expect("CloudConnectivityError", PATIENCE);
    }
    let Laboratory { internet, program, .. } = &mut laboratory;
    internet.at(Host::Server, || program.serve());
    // The connector may be back before the agent. A viewer would then be told that the device is
    // offline.
    let again = |text: &str| (text.matches("Online\n").count() == 2).then_some(());
    laboratory.agent.stderr().find(PATIENCE, again).expect("the agent comes back");
    laboratory.visit("after the kill\n");
}

#[test]
fn clocks_that_are_ten_minutes_off_keep_nobody_out() {
    let laboratory = Laboratory::with_clocks(Some("-10m"), Some("+10m"));
    laboratory.visit("at some other time\n");
}
