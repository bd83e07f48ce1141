//! Connections are impossible: `transom connect` and `transom agent` wait, or report the reason and
//! end with its code.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use transom_testkit::process::PATIENCE;

use crate::connector::{Desk, hear, place};

/// The time after which a viewer without an answer is hanging.
const TURNED_AWAY: Duration = Duration::from_secs(25);

/// The error of a second connector for the same address.
const TAKEN: &str =
    " in use\n         Another program is listening there. Stop it, or choose another address with --bind.\n";

/// The message of a program that is sent away for good while it has an open session.
const SENT_AWAY: &str = "CloudAuthenticationFailed: The cloud address or its password is not valid. \
                         (its password was reset) New viewers cannot connect; open sessions continue.\n";

#[test]
fn a_connector_that_waits_comes_back_to_a_server_that_was_gone() {
    let mut desk = Desk::set();
    desk.agent.terminate();
    desk.agent.wait(PATIENCE);
    let before = desk.connect("--stdio --wait");
    before.stderr().expect("This connector's key is ", PATIENCE);
    desk.fleet.program.server().stderr().expect(" joined ", PATIENCE);
    assert_eq!(desk.fleet.program.terminate(PATIENCE), Some(0));
    let after = desk.connect("--stdio --wait");
    for connector in [&before, &after] {
        connector.stderr().expect("Retrying in ", PATIENCE);
    }
    // A connector that does not wait is told.
    let mut hasty = desk.connect("--stdio");
    assert_eq!(hasty.wait(PATIENCE).code(), Some(13));
    desk.fleet.program.serve();
    let to = format!("--to {}", desk.target.local_addr().expect("it is bound"));
    let _agent = desk.fleet.agent(&desk.device, &to);
    let mut guests = [desk.guest(), desk.guest()];
    for guest in &mut guests {
        guest.write_all(b"hello").expect("it listens");
    }
    for mut connector in [before, after] {
        connector.stdout().expect("hello", PATIENCE);
        connector.terminate();
        assert_eq!(connector.wait(PATIENCE).code(), Some(0));
    }
}

#[test]
fn a_place_is_one_connectors_before_its_device_is_there_too() {
    let mut desk = Desk::set();
    desk.agent.terminate();
    desk.agent.wait(PATIENCE);
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        free.local_addr().expect("it is bound").port().to_string()
    };
    let path = desk.fleet.program.data().join("viewer.sock");
    let socket = format!("unix:{}", path.display());
    let waiting = [&port, &socket].map(|bind| {
        let connector = desk.connect(&format!("--wait --bind {bind}"));
        connector.stderr().expect("This connector's key is ", PATIENCE);
        connector
    });
    for bind in [&port, &socket] {
        let mut second = desk.connect(&format!("--wait --bind {bind}"));
        assert_eq!(second.wait(PATIENCE).code(), Some(1));
        assert_eq!(second.stdout().text(), "");
        let said = second.stderr().text().replace(" (os error 98)", "");
        assert!(said.starts_with("transom: cannot listen on ") && said.ends_with(TAKEN), "{said}");
    }
    let to = format!("--to {}", desk.target.local_addr().expect("it is bound"));
    let _agent = desk.fleet.agent(&desk.device, &to);
    assert_eq!(waiting.each_ref().map(place), [port.clone(), path.display().to_string()]);
    let mut viewer = TcpStream::connect(format!("127.0.0.1:{port}")).expect("the door is open");
    viewer.write_all(b"a key").expect("it listens");
    hear(&mut desk.guest(), "a key");
    drop(viewer);
    let mut viewer = UnixStream::connect(&path).expect("the door is open");
    viewer.write_all(b"a key").expect("it listens");
    hear(&mut desk.guest(), "a key");
    for mut connector in waiting {
        connector.terminate();
        assert_eq!(connector.wait(PATIENCE).code(), Some(0));
    }
    let left = fs::read_dir(desk.fleet.program.data()).expect("a folder").flatten();
    let left: Vec<_> = left.filter(|one| one.file_name().to_string_lossy().contains("viewer")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_connector_that_is_sent_away_lets_nobody_in_and_its_session_goes_on() {
    let desk = Desk::set();
    let mut connector = desk.connect("");
    let place = format!("127.0.0.1:{}", place(&connector));
    let mut viewer = TcpStream::connect(&place).expect("the door is open");
    viewer.write_all(b"a key").expect("it listens");
    let mut guest = desk.guest();
    hear(&mut guest, "a key");
    desk.fleet.program.ask(&format!("address reset {}", desk.viewer.name));
    connector.stderr().expect(SENT_AWAY, PATIENCE);
    let late = TcpStream::connect(&place).map(drop).map_err(|error| error.kind());
    assert_eq!(late, Err(ErrorKind::ConnectionRefused));
    guest.write_all(b"a screen").expect("it listens");
    hear(&mut viewer, "a screen");
    drop((viewer, guest));
    assert_eq!(connector.wait(PATIENCE).code(), Some(10));
}

#[test]
fn a_viewer_that_comes_while_the_server_is_gone_is_turned_away_and_told_why() {
    let mut desk = Desk::set();
    let connector = desk.connect("");
    let place = format!("127.0.0.1:{}", place(&connector));
    assert_eq!(desk.fleet.program.terminate(PATIENCE), Some(0));
    connector.stderr().expect("Retrying in ", PATIENCE);
    let mut viewer = TcpStream::connect(&place).expect("the connector keeps its port");
    viewer.set_read_timeout(Some(TURNED_AWAY)).expect("a limit");
    assert_eq!(viewer.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    let said = "CloudConnectivityError: The server cannot be reached, or the connection to it was lost. \
                (Connection refused (os error 111))\n         Check the network and --server";
    connector.stderr().expect(said, PATIENCE);
}

#[test]
fn an_agent_that_is_sent_away_says_so_at_once_and_ends_with_its_session() {
    let mut desk = Desk::set();
    let connector = desk.connect("");
    let mut viewer =
        TcpStream::connect(format!("127.0.0.1:{}", place(&connector))).expect("the door is open");
    viewer.write_all(b"a key").expect("it listens");
    let mut guest = desk.guest();
    hear(&mut guest, "a key");
    desk.fleet.program.ask(&format!("address reset {}", desk.device.name));
    desk.agent.stderr().expect(SENT_AWAY, PATIENCE);
    guest.write_all(b"a screen").expect("it listens");
    hear(&mut viewer, "a screen");
    drop((viewer, guest));
    assert_eq!(desk.agent.wait(PATIENCE).code(), Some(10));
    // Without a session there is no reason to wait, and no message.
    let idle = desk.fleet.address("listen", "");
    let mut agent = desk.fleet.agent(&idle, "--to 127.0.0.1:5900");
    desk.fleet.program.ask(&format!("address reset {}", idle.name));
    assert_eq!(agent.wait(PATIENCE).code(), Some(10));
    assert!(!agent.stderr().text().contains("sessions go on"), "{}", agent.stderr().text());
}
