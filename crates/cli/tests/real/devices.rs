//! Devices: an agent joins, and a viewer reaches its screen through the server, with a connector
//! and with a console URL.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;
use transom_testkit::chromium::Visit;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::{Answer, Program};
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, console, lab, transom};

/// A server and a key, which creates addresses.
pub(crate) struct Fleet {
    pub(crate) program: Program,
    key: String,
}

pub(crate) struct Address {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl Fleet {
    pub(crate) fn set() -> Self {
        Self::of(lab(transom()))
    }

    /// Creates a fleet with this server.
    pub(crate) fn of(program: Program) -> Self {
        let key = text(&program.ask_json("key add --project lab"), "id");
        Self { program, key }
    }

    pub(crate) fn address(&self, action: &str, more: &str) -> Address {
        let made = self.program.ask_json(&format!("address add --key {} --action {action} {more}", self.key));
        let name = text(&made, "cloudAddress");
        let password = self.program.file(&name, &text(&made, "cloudPassword"));
        Address { name, password }
    }

    /// Returns the options of every agent and connector.
    pub(crate) fn joining(&self, own: &Address) -> String {
        let server = self.program.address();
        // Each has a folder of its own, like a separate machine.
        let folder = self.program.data().join(&own.name);
        let data = folder.display();
        format!(
            "--server http://{server} --data {data} --address {} --password-file {}",
            own.name, own.password
        )
    }

    pub(crate) fn start(&self, name: &str, line: &str) -> Process {
        Process::start(name, self.program.command().args(line.split_whitespace()))
    }

    pub(crate) fn agent(&self, own: &Address, more: &str) -> Process {
        let agent = self.start("transom agent", &format!("agent {} {more}", self.joining(own)));
        agent.stderr().expect("Online\n", PATIENCE);
        agent
    }

    pub(crate) fn connect(&self, peer: &str, own: &Address, more: &str) -> Answer {
        self.program.run(&format!("connect {peer} {} {more}", self.joining(own)))
    }
}

pub(crate) fn text(body: &Value, name: &str) -> String {
    body[name].as_str().expect("a text").to_owned()
}

/// Types a line as a viewer at a connector's port.
pub(crate) fn type_by_rfb(port: &str, line: &str) {
    let viewer = TcpStream::connect(format!("127.0.0.1:{port}")).expect("the connector listens");
    viewer.set_read_timeout(Some(PATIENCE)).expect("a limit");
    type_on(viewer, line);
}

/// Performs RFB's handshake (RFC 6143 §7.1 to §7.3), types a line, and stays until the machine has
/// read it.
pub(crate) fn type_on(mut viewer: TcpStream, line: &str) {
    let mut banner = [0; 12];
    viewer.read_exact(&mut banner).expect("the device speaks first");
    assert_eq!(&banner, b"RFB 003.008\n");
    viewer.write_all(&banner).expect("version");
    let mut count = [0; 1];
    viewer.read_exact(&mut count).expect("security types");
    let mut types = vec![0; usize::from(count[0])];
    viewer.read_exact(&mut types).expect("security types");
    assert!(types.contains(&1), "{types:?}");
    viewer.write_all(&[1]).expect("None");
    let mut result = [1; 4];
    viewer.read_exact(&mut result).expect("a result");
    assert_eq!(result, [0; 4]);
    viewer.write_all(&[1]).expect("ClientInit");
    let mut screen = [0; 24];
    viewer.read_exact(&mut screen).expect("ServerInit");
    assert_eq!(screen[..4], [2, 128, 1, 224], "640 by 480");
    for letter in line.chars() {
        let key = if letter == '\n' { 0xff0d } else { u32::from(letter) };
        for down in [1, 0] {
            let [a, b, c, d] = key.to_be_bytes();
            viewer.write_all(&[4, down, 0, 0, a, b, c, d]).expect("a key");
        }
    }
    // The machine reads all typed data before the viewer leaves.
    viewer.shutdown(std::net::Shutdown::Write).expect("the viewer leaves");
    let mut rest = [0; 4096];
    while matches!(viewer.read(&mut rest), Ok(count) if count > 0) {}
}

#[test]
fn a_viewer_types_into_an_xvnc_through_connector_relay_and_agent() {
    let xvnc = Xvnc::start(Security::None);
    let fleet = Fleet::set();
    let (device, viewer) = (fleet.address("listen", ""), fleet.address("connect", ""));
    let mut agent = fleet.agent(&device, &format!("--to {}", xvnc.address()));
    let line = format!("connect {} {}", device.name, fleet.joining(&viewer));
    let mut connector = fleet.start("transom connect", &line);
    let port =
        connector.stdout().find(PATIENCE, |text| Some(text.split_once('\n')?.0.to_owned())).expect("a port");
    type_by_rfb(&port, "through the relay\n");
    xvnc.typed().expect("through the relay\n", PATIENCE);
    // Both ends show the same words, and the viewer's side stores the device's key.
    let phrase = |text: &str, before: &str| Some(text.split_once(before)?.1.split_once('\n')?.0.to_owned());
    let told = connector.stderr().find(PATIENCE, |text| phrase(text, "Compare this phrase with its agent: "));
    let heard = agent
        .stderr()
        .find(PATIENCE, |text| phrase(text, "for the first time; compare this phrase with its viewer: "));
    assert_eq!(told.expect("a phrase"), heard.expect("a phrase"));
    connector.terminate();
    assert_eq!(connector.wait(PATIENCE).code(), Some(0));
    agent.terminate();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

#[test]
fn each_refusal_of_a_connector_has_its_name_and_its_exit_code() {
    let fleet = Fleet::set();
    let (device, viewer) = (fleet.address("listen", ""), fleet.address("connect", ""));
    let closed = fleet.address("listen", "--allow-group staff");
    let away = fleet.connect(&device.name, &viewer, "");
    assert_eq!(away.code, 12, "{}", away.stderr);
    assert!(away.stderr.contains("transom: CloudTargetNotFound: "), "{}", away.stderr);
    let refused = fleet.connect(&closed.name, &viewer, "");
    assert_eq!(refused.code, 11, "{}", refused.stderr);
    assert!(refused.stderr.contains("transom: CloudConnectionRefused: "), "{}", refused.stderr);
    let wrong = Address { name: viewer.name, password: closed.password };
    let unknown = fleet.connect(&device.name, &wrong, "");
    assert_eq!(unknown.code, 10, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("transom: CloudAuthenticationFailed: "), "{}", unknown.stderr);
}

#[test]
fn the_newest_agent_of_an_address_wins_and_the_old_one_is_told() {
    let fleet = Fleet::set();
    let device = fleet.address("listen", "");
    let old = fleet.agent(&device, "--to 127.0.0.1:5900");
    let another_machine = fleet.joining(&device).replacen("/data/", "/data/another-", 1);
    let _new = fleet.start("transom agent", &format!("agent {another_machine} --to 127.0.0.1:5900"));
    old.stderr().expect("Superseded: ", PATIENCE);
}

#[test]
fn chromium_types_into_a_device_behind_an_agent() {
    let xvnc = Xvnc::start(Security::None);
    let fleet = Fleet::set();
    let device = fleet.address("listen", "");
    let _agent = fleet.agent(&device, &format!("--to {}", xvnc.address()));
    add(&fleet.program, "kiosk", &format!("cloud:{}", device.name), "");
    Visit::to(&console(&fleet.program, "kiosk")).typing("to the kiosk\n").run();
    xvnc.typed().expect("to the kiosk\n", PATIENCE);
}

#[test]
fn chromium_is_told_that_a_device_takes_end_to_end_connections_only() {
    let fleet = Fleet::set();
    let device = fleet.address("listen", "");
    let agent = fleet.agent(&device, "--to 127.0.0.1:5900 --end-to-end-only");
    add(&fleet.program, "kiosk", &format!("cloud:{}", device.name), "");
    Visit::refused(&console(&fleet.program, "kiosk"), "device-end-to-end-only").run();
    agent.stderr().expect("[vnccloud:gateway] was refused: this device accepts end-to-end", PATIENCE);
    let trail = fleet.program.ask("audit --json");
    assert!(trail.contains("device-end-to-end-only"), "{trail}");
}
