//! `transom connect`: the ways in which viewers connect.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::is_private;

use crate::devices::{Address, Fleet};

/// A device whose target says `hello`, reads one line, and closes.
pub(crate) struct Desk {
    pub(crate) fleet: Fleet,
    pub(crate) device: Address,
    pub(crate) viewer: Address,
    pub(crate) agent: Process,
    pub(crate) target: TcpListener,
}

impl Desk {
    pub(crate) fn set() -> Self {
        let fleet = Fleet::set();
        let (device, viewer) = (fleet.address("listen", ""), fleet.address("connect", ""));
        let target = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let agent = fleet.agent(&device, &format!("--to {}", target.local_addr().expect("it is bound")));
        Self { fleet, device, viewer, agent, target }
    }

    pub(crate) fn connect(&self, more: &str) -> Process {
        let line = format!("connect {} {} {more}", self.device.name, self.fleet.joining(&self.viewer));
        self.fleet.start("transom connect", &line)
    }

    pub(crate) fn guest(&self) -> TcpStream {
        let (guest, _) = self.target.accept().expect("a connection");
        guest.set_read_timeout(Some(PATIENCE)).expect("a limit");
        guest
    }
}

pub(crate) fn place(connector: &Process) -> String {
    let line = connector.stdout().find(PATIENCE, |text| Some(text.split_once('\n')?.0.to_owned()));
    line.unwrap_or_else(|| panic!("no place was printed: {}", connector.stderr().text()))
}

pub(crate) fn hear(from: &mut impl std::io::Read, words: &str) {
    let mut heard = vec![0; words.len()];
    from.read_exact(&mut heard).expect("words");
    assert_eq!(String::from_utf8_lossy(&heard), words);
}

#[test]
fn a_viewer_at_standard_input_and_output_is_at_the_device_until_that_closes() {
    let desk = Desk::set();
    let mut connector = desk.connect("--stdio");
    let mut stdin = connector.stdin();
    let mut guest = desk.guest();
    guest.write_all(b"hello").expect("it listens");
    connector.stdout().expect("hello", PATIENCE);
    stdin.write_all(b"a key").expect("it listens");
    hear(&mut guest, "a key");
    // Standard input is still open, so the device's end ends the session.
    drop(guest);
    assert_eq!(connector.wait(PATIENCE).code(), Some(0));
    assert_eq!(connector.stdout().text(), "hello");
    let peer = format!("[vnccloud:{}]: the device closed the session", desk.device.name);
    assert!(connector.stderr().text().contains(&peer), "{}", connector.stderr().text());
}

#[test]
fn a_viewer_at_standard_input_that_leaves_is_heard_out() {
    let desk = Desk::set();
    let mut connector = desk.connect("--stdio");
    connector.stdin().write_all(b"goodbye").expect("it listens");
    let mut guest = desk.guest();
    let mut heard = String::new();
    guest.read_to_string(&mut heard).expect("an orderly end");
    assert_eq!(heard, "goodbye");
    guest.write_all(b"goodbye to you").expect("its other half is open");
    drop(guest);
    assert_eq!(connector.wait(PATIENCE).code(), Some(0));
    assert_eq!(connector.stdout().text(), "goodbye to you");
}

#[test]
fn viewers_come_by_a_unix_socket_of_this_user_which_goes_with_the_connector() {
    let desk = Desk::set();
    let path = desk.fleet.program.data().join("viewer.sock");
    let mut connector = desk.connect(&format!("--bind unix:{}", path.display()));
    assert_eq!(place(&connector), path.display().to_string());
    assert!(is_private(&path));
    let mut viewer = UnixStream::connect(&path).expect("the door is open");
    viewer.write_all(b"a key").expect("it listens");
    let mut guest = desk.guest();
    hear(&mut guest, "a key");
    guest.write_all(b"a screen").expect("it listens");
    hear(&mut viewer, "a screen");
    connector.terminate();
    assert_eq!(connector.wait(PATIENCE).code(), Some(0));
    assert!(!path.exists());
    // Both ends close in good order.
    assert_eq!(guest.read(&mut [0]).expect("an orderly end"), 0);
    assert_eq!(viewer.read(&mut [0]).expect("an orderly end"), 0);
}

/// Returns a viewer in three lines: it writes the device's first data into a file, and ends with
/// this code.
fn viewer(fleet: &Fleet, code: u8) -> (String, PathBuf) {
    let said = fleet.program.data().join("said");
    let script = format!(
        "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/${{1##*::}}\nhead -c 5 <&3 >{}\nexit {code}\n",
        said.display()
    );
    let script = fleet.program.file("viewer", &script);
    fs::set_permissions(&script, Permissions::from_mode(0o700)).expect("it is ours");
    (script, said)
}

#[test]
fn a_viewer_is_started_once_its_session_is_there_and_the_connector_ends_with_it() {
    let desk = Desk::set();
    for (code, exit, said) in [(0, 0, ""), (3, 1, "/viewer\" ended: exit status: 3\n")] {
        let (script, heard) = viewer(&desk.fleet, code);
        let mut connector = desk.connect(&format!("--viewer {script}"));
        let mut guest = desk.guest();
        // The session is open, and the viewer is about to connect.
        place(&connector);
        guest.write_all(b"hello").expect("it listens");
        assert_eq!(connector.wait(PATIENCE).code(), Some(exit));
        assert_eq!(fs::read_to_string(heard).expect("it ran"), "hello");
        assert!(connector.stderr().text().contains(said), "{}", connector.stderr().text());
        assert_eq!(guest.read(&mut [0]).expect("an orderly end"), 0);
    }
}

#[test]
fn no_viewer_is_started_where_the_device_cannot_be_reached() {
    let desk = Desk::set();
    let (script, heard) = viewer(&desk.fleet, 0);
    drop(desk.target);
    let answer = desk.fleet.connect(&desk.device.name, &desk.viewer, &format!("--viewer {script}"));
    assert_eq!((answer.code, answer.stdout.as_str()), (15, ""), "{}", answer.stderr);
    assert!(!heard.exists());
}

#[test]
fn a_viewer_that_is_not_installed_is_named() {
    let desk = Desk::set();
    let answer = desk.fleet.connect(&desk.device.name, &desk.viewer, "--viewer /nowhere/vncviewer");
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    let said = "transom: the viewer \"/nowhere/vncviewer\" ended: exit status: 127\n         \
                Check that it is installed, and give its path with --viewer.\n";
    assert!(answer.stderr.ends_with(said), "{}", answer.stderr);
}

#[test]
fn a_connector_that_is_told_to_end_takes_its_viewer_with_it() {
    let desk = Desk::set();
    let (script, _) = viewer(&desk.fleet, 0);
    let mut connector = desk.connect(&format!("--viewer {script}"));
    let mut guest = desk.guest();
    place(&connector);
    connector.terminate();
    assert_eq!(connector.wait(PATIENCE).code(), Some(0));
    assert_eq!(guest.read(&mut [0]).expect("an orderly end"), 0);
}

#[test]
fn an_agent_that_is_told_to_end_ends_its_sessions_in_good_order() {
    let Desk { fleet, device, viewer, mut agent, target } = Desk::set();
    let line = format!("connect {} {}", device.name, fleet.joining(&viewer));
    let connector = fleet.start("transom connect", &line);
    let mut screen = TcpStream::connect(format!("127.0.0.1:{}", place(&connector))).expect("it is open");
    screen.write_all(b"a key").expect("it listens");
    let (mut guest, _) = target.accept().expect("a connection");
    hear(&mut guest, "a key");
    agent.terminate();
    assert_eq!(screen.read(&mut [0]).expect("an orderly end"), 0);
    // Viewers behave like this then.
    drop(screen);
    connector.stderr().expect("the device closed the session\n", PATIENCE);
    assert_eq!(guest.read(&mut [0]).expect("an orderly end"), 0);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

#[test]
fn programs_that_share_a_state_folder_show_one_key_and_know_the_same_peers() {
    let desk = Desk::set();
    let [mut first, mut second] = [desk.connect("--stdio"), desk.connect("--stdio")];
    let mut guests = [desk.guest(), desk.guest()];
    for (connector, guest) in [&first, &second].into_iter().zip(&mut guests) {
        connector.stderr().expect("This connector's key is ", PATIENCE);
        guest.write_all(b"hello").expect("it listens");
    }
    for connector in [&mut first, &mut second] {
        connector.stdout().expect("hello", PATIENCE);
        connector.terminate();
        assert_eq!(connector.wait(PATIENCE).code(), Some(0));
    }
    let key = |connector: &Process| connector.stderr().text().lines().next().map(str::to_owned);
    assert_eq!(key(&first), key(&second));
    // One line for the one device that both visited.
    let known = desk.fleet.program.data().join(&desk.viewer.name).join("device").join("known-keys");
    assert_eq!(fs::read_to_string(known).expect("it is there").lines().count(), 1);
}

#[test]
fn a_server_that_restarts_has_its_devices_back_and_a_connector_keeps_its_port() {
    let mut desk = Desk::set();
    let connector = desk.connect("");
    let port = place(&connector);
    assert_eq!(desk.fleet.program.terminate(PATIENCE), Some(0));
    for process in [&desk.agent, &connector] {
        process.stderr().expect("(the server is shutting down) Retrying in ", PATIENCE);
    }
    desk.fleet.program.serve();
    let back = desk.agent.stderr().find(PATIENCE, |text| text.matches("Online\n").nth(1).map(drop));
    assert!(back.is_some(), "{}", desk.agent.stderr().text());
    // A viewer that comes while the connector reconnects waits for it.
    let mut screen = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it is open");
    let mut guest = desk.guest();
    guest.write_all(b"hello").expect("it listens");
    screen.set_read_timeout(Some(PATIENCE)).expect("a limit");
    hear(&mut screen, "hello");
}
