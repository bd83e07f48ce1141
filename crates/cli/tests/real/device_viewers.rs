//! Unmodified software on both sides of a session between devices: x11vnc and Xvnc, vncdotool and
//! TigerVNC's viewer.

use std::process::Command;

use transom_testkit::certificate::Authority;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Answer;
use transom_testkit::vncdotool::Vncdotool;
use transom_testkit::x11vnc::X11vnc;
use transom_testkit::xvnc::{Security, Xvnc, write_password};

use crate::devices::{Address, Fleet};

/// The number of attempts. Another program may take a free port before the viewer binds it, but not
/// this often in a row.
const ATTEMPTS: usize = 10;

fn pair(fleet: &Fleet) -> (Address, Address) {
    (fleet.address("listen", ""), fleet.address("connect", ""))
}

/// Returns a connector and its port, for viewers that are started separately.
fn port(fleet: &Fleet, device: &Address, viewer: &Address) -> (Process, String) {
    let line = format!("connect {} {}", device.name, fleet.joining(viewer));
    let connector = fleet.start("transom connect", &line);
    let port = connector.stdout().find(PATIENCE, |text| Some(text.split_once('\n')?.0.to_owned()));
    let port = port.unwrap_or_else(|| panic!("no port: {}", connector.stderr().text()));
    (connector, port)
}

/// TigerVNC's viewer on a screen of its own, started by the connector.
struct Tigervnc {
    desk: Xvnc,
    connector: Process,
}

impl Tigervnc {
    fn start(fleet: &Fleet, device: &Address, viewer: &Address, options: &str) -> Self {
        let desk = Xvnc::start(Security::None);
        let mut command = fleet.program.command();
        command.env("DISPLAY", desk.display()).env("HOME", fleet.program.data());
        command.args(format!("connect {} {}", device.name, fleet.joining(viewer)).split_whitespace());
        // No hint covers the picture, and every pixel is unscaled.
        let viewer = "xtigervncviewer -Shared -AlertOnFatalError=0 -ReconnectOnError=0 -MenuKey= \
                      -AutoSelect=0 -NoJPEG";
        command.args(["--viewer", &format!("{viewer} {options}")]);
        let connector = Process::start("transom connect", &mut command);
        connector.stderr().expect("Using pixel format", PATIENCE);
        Self { desk, connector }
    }

    /// Enlarges the viewer's window to the whole screen, and types a line into it.
    fn types(&self, line: &str) {
        let mut xdotool = Command::new("xdotool");
        xdotool.env("DISPLAY", self.desk.display());
        xdotool.args(["search", "--sync", "--onlyvisible", "--class", "TigerVNC Viewer"]);
        xdotool.args(["windowfocus", "windowmove", "0", "0", "windowsize", "640", "480"]);
        xdotool.args(["mousemove", "100", "100", "click", "1"]);
        xdotool.args(["type", "--delay", "30", &format!("{line}\n")]);
        let typed = Answer::of(&mut xdotool, "");
        assert_eq!(typed.code, 0, "{}", typed.stderr);
    }
}

#[test]
fn vncdotool_sees_an_x11vnc_behind_an_agent_and_types_into_it() {
    let screen = Xvnc::start(Security::None);
    let x11vnc = X11vnc::start(&screen, &[]);
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let _agent = fleet.agent(&device, &format!("--to {}", x11vnc.address()));
    let (_connector, port) = port(&fleet, &device, &viewer);
    let vncdotool = Vncdotool::at(&format!("127.0.0.1:{port}"));
    let before = vncdotool.sees();
    vncdotool.types("dotool");
    screen.typed().expect("dotool\n", PATIENCE);
    let after = vncdotool.sees_the_same_as(&Vncdotool::at(&screen.address()));
    assert!(after != before, "what was typed is not to be seen");
}

#[test]
fn tigervncs_viewer_is_started_and_shows_an_xvnc_behind_an_agent_and_types_into_it() {
    let screen = Xvnc::start(Security::None);
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let _agent = fleet.agent(&device, &format!("--to {}", screen.address()));
    let there = Vncdotool::at(&screen.address());
    let before = there.sees();
    let viewer = Tigervnc::start(&fleet, &device, &viewer, "");
    viewer.types("tiger");
    screen.typed().expect("tiger\n", PATIENCE);
    let after = Vncdotool::at(&viewer.desk.address()).sees_the_same_as(&there);
    assert!(after != before, "what was typed is not to be seen");
}

#[test]
fn tls_between_tigervncs_viewer_and_an_xvnc_passes_untouched() {
    let authority = Authority::new();
    let certificate = authority.issue("device");
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let screen = Xvnc::start(Security::Tls(&certificate, "ottokar1"));
    let _agent = fleet.agent(&device, &format!("--to {}", screen.address()));
    let password = fleet.program.data().join("viewer-password");
    write_password("ottokar1", &password);
    // A changed byte in between would end TLS, since the viewer trusts only the device's own
    // authority.
    let options = format!(
        "-SecurityTypes=X509Vnc -X509CA={} -PasswordFile={}",
        authority.ca().display(),
        password.display()
    );
    let viewer = Tigervnc::start(&fleet, &device, &viewer, &options);
    assert!(viewer.connector.stderr().text().contains("X509Vnc"), "{}", viewer.connector.stderr().text());
    viewer.types("sealed twice");
    screen.typed().expect("sealed twice\n", PATIENCE);
}

/// Starts TigerVNC's viewer, listening on a port that was free a moment ago. Returns `None` if
/// another program has taken the port since.
fn listening_viewer(fleet: &Fleet, desk: &Xvnc) -> Option<(Process, u16)> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let mut command = Command::new("xtigervncviewer");
    command.env("DISPLAY", desk.display()).env("HOME", fleet.program.data());
    command.args(["-Shared", "-AlertOnFatalError=0", "-listen", &port.to_string()]);
    let viewer = Process::start("TigerVNC's viewer", &mut command);
    let listens = viewer.stderr().find(PATIENCE, |text| {
        if text.contains("Listening on port") {
            return Some(true);
        }
        text.contains("already in use").then_some(false)
    });
    assert!(listens.is_some(), "it neither listens nor says why: {}", viewer.stderr().text());
    listens.filter(|listens| *listens).map(|_| (viewer, port))
}

#[test]
fn a_viewer_that_listens_behind_an_agent_is_dialled_by_an_x11vnc() {
    let (desk, screen) = (Xvnc::start(Security::None), Xvnc::start(Security::None));
    let mut x11vnc = X11vnc::start(&screen, &[]);
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let (listener, listening) = (0..ATTEMPTS)
        .find_map(|_| listening_viewer(&fleet, &desk))
        .expect("TigerVNC's viewer listens on one of ten free ports");
    let _agent = fleet.agent(&device, &format!("--to 127.0.0.1:{listening}"));
    let (connector, port) = port(&fleet, &device, &viewer);
    let mut dial = Command::new("x11vnc");
    dial.args(["-display", screen.display(), "-remote", &format!("connect:127.0.0.1:{port}")]);
    let dialled = Answer::of(&mut dial, "");
    assert_eq!(dialled.code, 0, "{}", dialled.stderr);
    listener.stderr().expect("Using pixel format", PATIENCE);
    assert!(x11vnc.process().runs());
    let viewer = Tigervnc { desk, connector };
    viewer.types("reversed");
    screen.typed().expect("reversed\n", PATIENCE);
}
