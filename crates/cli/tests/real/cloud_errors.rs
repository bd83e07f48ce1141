//! The named cloud errors of `transom connect` (requirements S2, S6, S7): each has its exit code, its sentence and what to do.

use transom_testkit::certificate::Authority;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Answer;
use transom_testkit::scripted_broker::ScriptedBroker;
use transom_tunnel::{Binding, Fault, Message, Refusal, Versions};

use crate::devices::{Address, Fleet};
use crate::{lab, transom};

/// A device with an agent in front of a port where nothing listens, and somebody who may connect to it.
fn pair(fleet: &Fleet) -> (Address, Address) {
    (fleet.address("listen", ""), fleet.address("connect", ""))
}

/// A port of this machine that nobody listens on.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("it is bound").to_string()
}

/// What a program ended with and said, but for its own key.
#[track_caller]
fn assert_ends(answer: &Answer, code: i32, said: &str) {
    let lines: Vec<_> =
        answer.stderr.lines().filter(|line| !line.starts_with("This side's key is ")).collect();
    assert_eq!((answer.code, lines.join("\n").as_str()), (code, said));
    assert_eq!(answer.stdout, "", "nothing was reached");
}

/// What a connector says to a server that says this.
fn told(message: &Message) -> Answer {
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let broker = ScriptedBroker::saying(message);
    let joining =
        fleet.joining(&viewer).replace(&format!("http://{}", fleet.program.address()), &broker.url());
    fleet.program.run(&format!("connect {} {joining}", device.name))
}

#[test]
fn exit_10_is_a_wrong_password() {
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let wrong = Address { name: viewer.name, password: device.password };
    assert_ends(
        &fleet.connect(&device.name, &wrong, ""),
        10,
        "transom: CloudAuthenticationFailed: The cloud address or its password is not valid.\n         \
         Check --address and --password-file. A password that was reset is shown once, by the reset.",
    );
}

#[test]
fn exit_11_is_a_device_that_lets_others_in() {
    let fleet = Fleet::set();
    let (closed, viewer) = (fleet.address("listen", "--allow-group staff"), fleet.address("connect", ""));
    assert_ends(
        &fleet.connect(&closed.name, &viewer, ""),
        11,
        "transom: CloudConnectionRefused: This cloud address is not permitted to connect to that one.\n         \
         Let one of its groups, or the address itself, in at the listening address (transom address set).",
    );
}

#[test]
fn exit_12_is_a_device_that_is_not_there() {
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    assert_ends(
        &fleet.connect(&device.name, &viewer, ""),
        12,
        "transom: CloudTargetNotFound: Nobody listens at that cloud address.\n         \
         Check the address and that its agent runs; --wait waits until it does.",
    );
}

#[test]
fn exit_13_is_a_server_that_cannot_be_reached() {
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let joining = fleet.joining(&viewer).replace(fleet.program.address(), &closed_port());
    assert_ends(
        &fleet.program.run(&format!("connect {} {joining}", device.name)),
        13,
        "transom: CloudConnectivityError: The server cannot be reached, or the connection to it was lost. \
         (Connection refused (os error 111))\n         \
         Check the network and --server; what keeps running tries again by itself.",
    );
}

#[test]
fn exit_13_of_a_server_with_a_certificate_of_its_own_names_the_ca() {
    let fleet = Fleet::of(lab(transom().with(["--self-signed"])));
    let (device, viewer) = pair(&fleet);
    let joining = |own| fleet.joining(own).replace("http://", "https://");
    let said = |next: &str| {
        format!(
            "CloudConnectivityError: The server cannot be reached, or the connection to it was lost. \
             (invalid peer certificate: UnknownIssuer){next}"
        )
    };
    let named =
        "If the server made its certificate itself (--self-signed), name a copy of its ca.pem: --ca ca.pem.";
    let untrusted = fleet.program.run(&format!("connect {} {}", device.name, joining(&viewer)));
    assert_ends(&untrusted, 13, &format!("transom: {}", said(&format!("\n         {named}"))));
    let other = Authority::new();
    let line = format!("connect {} {} --ca {}", device.name, joining(&viewer), other.ca().display());
    let other = "Its certificate does not come from the CA that --ca names: copy the server's ca.pem anew, or \
                 leave --ca out where the certificate comes from a public CA.";
    assert_ends(&fleet.program.run(&line), 13, &format!("transom: {}", said(&format!("\n         {other}"))));
    // Who tries again says the same each time.
    let waiting =
        fleet.start("transom connect", &format!("connect {} {} --wait", device.name, joining(&viewer)));
    waiting.stderr().expect(&format!(" s; sessions go on.\n         {named}\n"), PATIENCE);
    let line = format!("agent {} --to 127.0.0.1:5900", joining(&device));
    let agent = fleet.start("transom agent", &line);
    agent.stderr().expect(&format!(" s.\n         {named}\n"), PATIENCE);
    agent.stderr().expect(&said(" Next try in "), PATIENCE);
    drop(agent);
    let ca = fleet.program.data().join("ca.pem");
    let trusting = fleet.start("transom agent", &format!("{line} --ca {}", ca.display()));
    trusting.stderr().expect("Online\n", PATIENCE);
}

#[test]
fn exit_14_is_somebody_else_at_the_same_address() {
    assert_ends(
        &told(&Message::Refused(Fault::Superseded.into())),
        14,
        "transom: Superseded: Another agent has joined under this cloud address.\n         \
         Each device needs an address of its own; stop the other agent, or reset the address's password.",
    );
}

#[test]
fn exit_15_is_a_device_that_refuses_and_says_why() {
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let closed = closed_port();
    let _agent = fleet.agent(&device, &format!("--to {closed}"));
    let next = "\n         \
         Its reason is given; look into the agent's log, its --to and --allow-key lists, and its known-keys file for a key that changed.";
    for (peer, why) in [
        (device.name.clone(), "its target does not take connections: Connection refused (os error 111)"),
        (format!("{}/plc", device.name), "it has no target of the name \"plc\""),
    ] {
        let said = format!("transom: DeviceRefused: The device refused the connection. ({why}){next}");
        assert_ends(&fleet.connect(&peer, &viewer, "--stdio"), 15, &said);
    }
}

#[test]
fn exit_16_is_a_device_with_another_key() {
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let agent = fleet.agent(&device, "--to 127.0.0.1:5900");
    let key = agent.stderr().text();
    let key = key.lines().find_map(|line| line.strip_prefix("This device's key is ")).expect("a key");
    let other = "0123456789abcdef".repeat(4);
    let said = format!(
        "transom: PeerKeyChanged: The other side shows another key than expected. \
         (expected {other}, and it shows {key})\n         \
         Compare --fingerprint with what its agent prints when it starts; if it was reinstalled, name its new \
         key there; else somebody stands between."
    );
    assert_ends(&fleet.connect(&device.name, &viewer, &format!("--stdio --fingerprint {other}")), 16, &said);
}

#[test]
fn exit_17_is_a_session_with_the_device_that_runs_already() {
    assert_ends(
        &told(&Message::Refused(Fault::PeerBusy.into())),
        17,
        "transom: PeerBusy: This connector has a session with that cloud address already.\n         \
         End that session first, or start a second connector.",
    );
}

#[test]
fn exit_18_is_a_server_of_another_version() {
    assert_ends(
        &told(&Message::Hello { versions: Versions { oldest: 8, newest: 9 }, binding: Binding::None }),
        18,
        "transom: ProtocolError: The two sides do not understand each other. \
         (the server speaks versions 8 to 9, and transom 0.1.0 version 1: this program is to be updated)\n         \
         Update the older one of the two; transom --version tells which that is.",
    );
}

#[test]
fn exit_19_is_somebody_who_ends_tls_in_between() {
    assert_ends(
        &told(&Message::Refused(Refusal::from(Fault::ConnectionIntercepted).because("it is"))),
        19,
        "transom: ConnectionIntercepted: Something between this machine and the server ends its TLS \
         connection. (it is)\n         \
         If it is the server's own proxy, declare it there ([http] trusted_proxies); else go around it, or \
         trust another --ca.",
    );
}

#[test]
fn an_agent_without_a_version_in_common_stays_and_says_so() {
    let fleet = Fleet::set();
    let device = fleet.address("listen", "");
    let versions = Versions { oldest: 8, newest: 9 };
    let broker = ScriptedBroker::saying(&Message::Hello { versions, binding: Binding::None });
    let joining =
        fleet.joining(&device).replace(&format!("http://{}", fleet.program.address()), &broker.url());
    let mut command = fleet.program.command();
    command.args(format!("agent {joining} --to 127.0.0.1:5900").split_whitespace());
    let mut agent = Process::start("transom agent", &mut command);
    let said = agent.stderr().find(PATIENCE, |text| {
        let (_, rest) = text.split_once("this program is to be updated) Next try in ")?;
        Some(rest.split_once(" s.")?.0.parse::<u64>().expect("a number"))
    });
    // An hour, and half as long again at the most.
    assert!(said.is_some_and(|seconds| (3600..=5400).contains(&seconds)), "{said:?}");
    assert!(agent.runs());
    // Nor does the service give up on one that ends with 18, as an older agent does.
    let unit = include_str!("../../../../packaging/transom-agent.service");
    assert!(unit.lines().any(|line| line == "RestartPreventExitStatus=1 10"), "{unit}");
    agent.terminate();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}
