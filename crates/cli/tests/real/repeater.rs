//! Devices that know only the repeater's protocol: x11vnc joins by a ticket. A viewer that speaks
//! the repeater's protocol types into its screen, and so does a browser.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use transom_testkit::chromium::Visit;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::devices::type_on;
use crate::{add, console, transom};

/// A server with both of the repeater's listeners, and a listen address.
struct Field {
    program: Program,
    devices: String,
    viewers: String,
    address: String,
    ticket: String,
}

impl Field {
    fn set(numeric: &str) -> Self {
        let mut program = transom();
        let config = "[repeater]\ndevices = \"127.0.0.1:0\"\nviewers = \"127.0.0.1:0\"\n";
        let config = program.file("transom.toml", config);
        program = program.environment("TRANSOM_CONFIG", config).serving();
        program.ask("project add lab");
        let log = program.log();
        let door = |who: &str| {
            let (_, rest) = log.split_once(&format!("It also accepts {who} on ")).expect("it says so");
            rest.split_once(',').expect("an address").0.to_owned()
        };
        let (devices, viewers) = (door("devices with a repeater ticket"), door("viewers with a repeater ID"));
        let key = program.ask_json("key add --project lab")["id"].as_str().expect("an id").to_owned();
        let made = program.ask_json(&format!("address add --key {key} --action listen"));
        let address = made["cloudAddress"].as_str().expect("an address").to_owned();
        let ticket = program.ask(&format!("repeater ticket {address} {numeric}"));
        Self { program, devices, viewers, address, ticket }
    }

    /// Starts an x11vnc that shows this screen and waits under the ticket. Its command line stands
    /// in DEVICES.md.
    fn x11vnc(&self, screen: &Xvnc) -> Process {
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
        x11vnc.args(["-connect", &format!("repeater=ID:{}+{}", self.ticket, self.devices)]);
        let process = Process::start("x11vnc", &mut x11vnc);
        self.program.until_online(&self.address);
        process
    }
}

trait Online {
    fn until_online(&self, address: &str);
}

impl Online for Program {
    fn until_online(&self, address: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while self.ask_json(&format!("address show {address}"))["online"] != true {
            assert!(std::time::Instant::now() < deadline, "it joins");
        }
    }
}

/// Connects a viewer: the repeater's greeting, 250 bytes with the ID, and then RFB (RFC 6143 §7.1
/// to §7.3).
pub(crate) fn type_by_repeater(door: &str, id: &str, line: &str) {
    let mut viewer = TcpStream::connect(door).expect("it listens");
    viewer.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let mut banner = [0; 12];
    viewer.read_exact(&mut banner).expect("a greeting");
    assert_eq!(&banner, b"RFB 000.000\n");
    let mut introduction = format!("ID:{id}").into_bytes();
    introduction.resize(250, 0);
    viewer.write_all(&introduction).expect("it is taken");
    type_on(viewer, line);
}

#[test]
fn a_repeater_viewer_types_into_an_x11vnc_that_joined_by_its_ticket() {
    let screen = Xvnc::start(Security::None);
    let field = Field::set("--numeric");
    let mut x11vnc = field.x11vnc(&screen);
    let id = field.program.ask(&format!("repeater viewer {}", field.address));
    type_by_repeater(&field.viewers, &id, "by the repeater\n");
    screen.typed().expect("by the repeater\n", PATIENCE);
    x11vnc.kill();
    // The ticket outlives the device's connection.
    let waiting = field.x11vnc(&screen);
    field.program.ask(&format!("repeater revoke {}", field.address));
    let online = || field.program.ask_json("address list --online");
    let deadline = std::time::Instant::now() + PATIENCE;
    while online() != serde_json::json!([]) {
        assert!(std::time::Instant::now() < deadline, "it is sent away");
    }
    drop(waiting);
}

#[test]
fn chromium_types_into_an_x11vnc_that_joined_by_its_ticket() {
    let screen = Xvnc::start(Security::None);
    let field = Field::set("");
    let _x11vnc = field.x11vnc(&screen);
    add(&field.program, "kiosk", &format!("cloud:{}", field.address), "");
    Visit::to(&console(&field.program, "kiosk")).typing("from the browser\n").run();
    screen.typed().expect("from the browser\n", PATIENCE);
    let audit = field.program.ask_json("audit --limit 1000").to_string();
    assert!(audit.contains("legacy: a device without end-to-end encryption, from a console"), "{audit}");
}
