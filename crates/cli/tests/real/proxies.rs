//! Agents and connectors in networks whose only way out is a proxy (requirement S13).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use transom_testkit::forward_proxy::{ForwardProxy, Rule};
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Answer;

use crate::devices::{Address, Fleet};
use crate::{lab, transom};

/// The example of RFC 7617 §2.
const ALADDIN: &str = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
/// The server's name, which only the proxy can resolve.
const NAME: &str = "console.test";

fn rule(fleet: &Fleet) -> Rule {
    Rule { to: fleet.program.address().parse().expect("an address"), wants: None, closed: false }
}

fn environment(fleet: &Fleet, name: &str, line: &str, set: &[(&str, &str)]) -> Process {
    let mut command = fleet.program.command();
    for (variable, value) in set {
        command.env(variable, value);
    }
    Process::start(name, command.args(line.split_whitespace()))
}

/// Expects that a session from a viewer to a target works over this route.
fn assert_session(fleet: &Fleet, joining: impl Fn(&Address) -> String, set: &[(&str, &str)]) {
    let (device, viewer) = (fleet.address("listen", ""), fleet.address("connect", ""));
    let target = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let line = format!("agent {} --to {}", joining(&device), target.local_addr().expect("it is bound"));
    let agent = environment(fleet, "transom agent", &line, set);
    agent.stderr().expect("Online\n", PATIENCE);
    let line = format!("connect {} {}", device.name, joining(&viewer));
    let connector = environment(fleet, "transom connect", &line, set);
    let port = connector.stdout().find(PATIENCE, |text| Some(text.split_once('\n')?.0.to_owned()));
    let port = port.unwrap_or_else(|| panic!("no port: {}", connector.stderr().text()));
    let mut screen = TcpStream::connect(format!("127.0.0.1:{port}")).expect("it is open");
    let (mut guest, _) = target.accept().expect("a connection");
    guest.write_all(b"hello").expect("it listens");
    let mut heard = [0; 5];
    screen.set_read_timeout(Some(PATIENCE)).expect("a limit");
    screen.read_exact(&mut heard).expect("words");
    assert_eq!(&heard, b"hello");
    for process in [&agent, &connector] {
        assert!(!process.stderr().text().contains("sesame"), "{}", process.stderr().text());
    }
}

/// Expects that a control connection and a data connection of each side went through the proxy, and
/// no connection past it. One more data connection may be held ready.
fn assert_all_passed(proxy: &ForwardProxy, line: &str) {
    let asked = proxy.asked();
    assert!((4..=5).contains(&asked.len()) && asked.iter().all(|asked| asked == line), "{asked:?}");
}

#[test]
fn a_session_passes_a_proxy_that_wants_a_user_and_a_password() {
    let fleet = Fleet::set();
    let proxy = ForwardProxy::start(Rule { wants: Some(ALADDIN.to_owned()), ..rule(&fleet) });
    let more = format!("--proxy http://Aladdin:open%20sesame@{}", proxy.address());
    assert_session(&fleet, |own| format!("{} {more}", fleet.joining(own)), &[]);
    assert_all_passed(&proxy, &format!("CONNECT {}", fleet.program.address()));
}

#[test]
fn the_environment_names_the_proxy_which_resolves_the_servers_name() {
    let program = lab(transom().with(["--self-signed", "--public-url", &format!("https://{NAME}")]));
    let ca = program.data().join("ca.pem");
    let fleet = Fleet::of(program);
    let proxy = ForwardProxy::start(rule(&fleet));
    let url = format!("http://{}", proxy.address());
    let joining = |own: &Address| {
        let local = format!("http://{}", fleet.program.address());
        fleet.joining(own).replace(&local, &format!("https://{NAME}")) + &format!(" --ca {}", ca.display())
    };
    assert_session(&fleet, joining, &[("HTTPS_PROXY", &url), ("NO_PROXY", "localhost,.example.com")]);
    assert_all_passed(&proxy, &format!("CONNECT {NAME}:443"));
}

#[test]
fn this_machine_itself_and_what_no_proxy_names_are_reached_without_a_proxy() {
    let fleet = Fleet::set();
    let proxy = ForwardProxy::start(Rule { closed: true, ..rule(&fleet) });
    let url = format!("http://{}", proxy.address());
    assert_session(&fleet, |own| fleet.joining(own), &[("ALL_PROXY", &url)]);
    assert_eq!(proxy.asked(), [""; 0]);
}

#[test]
fn what_a_proxy_refuses_is_named_without_its_password() {
    let fleet = Fleet::set();
    let (device, viewer) = (fleet.address("listen", ""), fleet.address("connect", ""));
    let ask = |proxy: &str| -> Answer { fleet.connect(&device.name, &viewer, &format!("--proxy {proxy}")) };
    let locked = ForwardProxy::start(Rule { wants: Some(ALADDIN.to_owned()), ..rule(&fleet) }).address();
    let closed = ForwardProxy::start(Rule { closed: true, ..rule(&fleet) }).address();
    let server = fleet.program.address();
    for (proxy, why) in [
        (
            format!("http://{locked}"),
            format!("the proxy {locked}: it requires a user and a password: http://USER:PASSWORD@HOST:PORT"),
        ),
        (
            format!("http://Jafar:hush@{locked}"),
            format!("the proxy {locked}: it does not accept the user and password"),
        ),
        (
            format!("http://Jafar:hush@{closed}"),
            format!("the proxy {closed}: it does not allow connections to {server} (403)"),
        ),
        (format!("http://{server}"), format!("the proxy {server}: it answered 400")),
    ] {
        let answer = ask(&proxy);
        assert_eq!(answer.code, 13, "{}", answer.stderr);
        assert!(answer.stderr.contains(&format!("({why})")), "{}", answer.stderr);
        assert!(!answer.stderr.contains("hush"), "{}", answer.stderr);
    }
    let answer = ask("socks5://Jafar:hush@127.0.0.1:1080");
    assert_eq!(answer.code, 1);
    assert_eq!(
        answer.stderr,
        "transom: --proxy: the proxy's URL: socks5:// is not supported; use http://HOST:PORT\n"
    );
}
