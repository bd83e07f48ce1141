//! A panel is replaced, and the viewer's side, which knew the old one, is asked about the new one's
//! key.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;

use crate::lab;

/// Starts a server that greets every viewer as long as the test runs.
fn greeter() -> SocketAddr {
    let machine = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = machine.local_addr().expect("it listens");
    thread::spawn(move || {
        for viewer in machine.incoming() {
            let _ = viewer.map(|mut viewer| viewer.write_all(b"hello"));
        }
    });
    address
}

fn panel(program: &Program, name: &str, token: &str, target: SocketAddr) -> Process {
    let mut agent = program.command();
    let (server, data) = (format!("http://{}", program.address()), program.data().with_file_name(name));
    agent
        .args(["agent", "--server", &server, "--enroll", token, "--to", &target.to_string(), "--data"])
        .arg(data);
    let agent = Process::start("transom agent", &mut agent);
    agent.stderr().expect("Online\n", PATIENCE);
    agent
}

/// Returns the greeting that a viewer at the connector's port receives; empty if it is turned away.
fn heard(port: u16) -> String {
    let mut viewer = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    viewer.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let mut heard = String::new();
    // A viewer that is turned away is reset.
    let _ = viewer.read_to_string(&mut heard);
    heard
}

fn port(text: &str) -> Option<u16> {
    text.lines().find_map(|line| line.trim().parse().ok())
}

#[test]
fn who_sits_at_a_terminal_is_asked_once_about_a_replaced_panels_key() {
    let program = lab();
    let target = greeter();
    let key = program.ask_json("key add --project lab")["id"].as_str().expect("an id").to_owned();
    let old = panel(&program, "old", &program.ask(&format!("enrollment add --key {key}")), target);
    let listen = program.ask_json("address list")[0]["address"].as_str().expect("an address").to_owned();
    let desk = program.ask_json(&format!("address add --key {key} --action connect"));
    let password = program.file("desk-password", desk["cloudPassword"].as_str().expect("a password"));
    let line = format!(
        "connect {listen} --server http://{} --data {} --address {} --password-file {password}",
        program.address(),
        program.data().with_file_name("desk").display(),
        desk["cloudAddress"].as_str().expect("an address"),
    );
    let connect = || Process::start("transom connect", program.command().args(line.split(' ')));
    let connected = |connector: &Process| connector.stdout().find(PATIENCE, port).expect("a port");
    let connector = connect();
    assert_eq!(heard(connected(&connector)), "hello");
    drop((connector, old));
    let _new = panel(&program, "new", &program.ask(&format!("enrollment add --replace {listen}")), target);
    // A script is told what to do.
    let connector = connect();
    assert_eq!(heard(connected(&connector)), "");
    connector.stderr().expect("PeerKeyChanged: ", PATIENCE);
    connector.stderr().expect("pass it once: --peer-key KEY.", PATIENCE);
    drop(connector);
    let at_terminal = || {
        let mut script = Command::new("script");
        let command = format!("{} {line}", program.command().get_program().display());
        Process::start("transom connect at a terminal", script.args(["-qec", &command, "/dev/null"]))
    };
    let mut asking = at_terminal();
    let mut keyboard = asking.stdin();
    let port = connected(&asking);
    let viewer = thread::spawn(move || heard(port));
    asking.stdout().expect("The server says that the device was replaced", PATIENCE);
    asking.stdout().expect("yes or no", PATIENCE);
    keyboard.write_all(b"yes\n").expect("it reads");
    assert_eq!(viewer.join().expect("it ran"), "hello", "{}", asking.stdout().text());
    drop(asking);
    // From then on there is no question.
    let connector = connect();
    assert_eq!(heard(connected(&connector)), "hello");
    connector.stderr().expect("is connected, with the previous key", PATIENCE);
}
