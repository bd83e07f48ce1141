//! The named cloud errors of `transom connect` (requirements S2, S6, S7). Each has its exit code,
//! its sentence and its advice.

use transom_testkit::certificate::Authority;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Answer;
use transom_testkit::scripted_broker::ScriptedBroker;
use transom_tunnel::{Binding, Message, Refusal, RefusalCode, Versions};

use crate::devices::{Address, Fleet};
use crate::{lab, transom};

/// Returns a device with an agent in front of a closed port, and a viewer's side that may connect
/// to it.
fn pair(fleet: &Fleet) -> (Address, Address) {
    (fleet.address("listen", ""), fleet.address("connect", ""))
}

/// Returns a port of this machine without a listener.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("it is bound").to_string()
}

/// Returns the exit code and the output of a program, without its own key.
#[track_caller]
fn assert_ends(answer: &Answer, code: i32, said: &str) {
    let lines: Vec<_> =
        answer.stderr.lines().filter(|line| !line.starts_with("This connector's key is ")).collect();
    assert_eq!((answer.code, lines.join("\n").as_str()), (code, said));
    assert_eq!(answer.stdout, "", "no device was reached");
}

/// Returns the output of a connector whose server sends this message.
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
         Check --address and --password-file. A reset shows the new password only once.",
    );
}

#[test]
fn an_address_of_the_other_kind_is_told_with_what_makes_the_right_one() {
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let listening = fleet.connect(&device.name, &device, "");
    let why = "(it is a listen address, for a device; use a connect address: transom address add --key ID --action connect)";
    assert!(listening.code == 10 && listening.stderr.contains(why), "{listening:?}");
    let agent = fleet.program.run(&format!("agent {} --to 127.0.0.1:1", fleet.joining(&viewer)));
    let why = "(it is a connect address, for a viewer; use a listen address: transom address add --key ID --action listen)";
    assert!(agent.code == 10 && agent.stderr.contains(why), "{agent:?}");
}

#[test]
fn exit_11_is_a_device_that_lets_others_in() {
    let fleet = Fleet::set();
    let (closed, viewer) = (fleet.address("listen", "--allow-group staff"), fleet.address("connect", ""));
    assert_ends(
        &fleet.connect(&closed.name, &viewer, ""),
        11,
        "transom: CloudConnectionRefused: This cloud address is not allowed to connect to the other one.\n         \
         Allow this address or one of its groups on the listen address: transom address set.",
    );
}

#[test]
fn exit_12_is_a_device_that_is_not_there() {
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    assert_ends(
        &fleet.connect(&device.name, &viewer, ""),
        12,
        "transom: CloudTargetNotFound: No agent is listening at that cloud address.\n         \
         Check the address, and that its agent is running. With --wait, the connector waits for the agent.",
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
         Check the network and --server. If the program keeps running, it retries automatically.",
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
    let named = "If the server uses a self-signed certificate (--self-signed), pass a copy of its ca.pem: --ca ca.pem.";
    let untrusted = fleet.program.run(&format!("connect {} {}", device.name, joining(&viewer)));
    assert_ends(&untrusted, 13, &format!("transom: {}", said(&format!("\n         {named}"))));
    let other = Authority::new();
    let line = format!("connect {} {} --ca {}", device.name, joining(&viewer), other.ca().display());
    let other = "Its certificate was not issued by the CA in --ca. Copy the server's ca.pem again, or omit --ca if a public CA issued the certificate.";
    assert_ends(&fleet.program.run(&line), 13, &format!("transom: {}", said(&format!("\n         {other}"))));
    // A program that tries again prints the same each time.
    let waiting =
        fleet.start("transom connect", &format!("connect {} {} --wait", device.name, joining(&viewer)));
    waiting.stderr().expect(&format!(" s; open sessions continue.\n         {named}\n"), PATIENCE);
    let line = format!("agent {} --to 127.0.0.1:5900", joining(&device));
    let agent = fleet.start("transom agent", &line);
    agent.stderr().expect(&format!(" s.\n         {named}\n"), PATIENCE);
    agent.stderr().expect(&said(" Retrying in "), PATIENCE);
    drop(agent);
    let ca = fleet.program.data().join("ca.pem");
    let trusting = fleet.start("transom agent", &format!("{line} --ca {}", ca.display()));
    trusting.stderr().expect("Online\n", PATIENCE);
}

#[test]
fn exit_14_is_somebody_else_at_the_same_address() {
    assert_ends(
        &told(&Message::Refused(RefusalCode::Superseded.into())),
        14,
        "transom: Superseded: Another agent has joined under this cloud address.\n         \
         Each device needs its own address. Stop the other agent, or reset the address's password.",
    );
}

#[test]
fn exit_15_is_a_device_that_refuses_and_says_why() {
    let fleet = Fleet::set();
    let (device, viewer) = pair(&fleet);
    let closed = closed_port();
    let _agent = fleet.agent(&device, &format!("--to {closed}"));
    let given = "Read its reason. Check the agent's log, its --to and --allow-key lists, and its known-keys file for a key that has changed.";
    let name = "Omit /NAME for the first target, or use a NAME from its agent's --to NAME=HOST:PORT. To list them: \
     transom address show ADDRESS.";
    for (peer, why, next) in [
        (
            device.name.clone(),
            "its target does not accept connections: Connection refused (os error 111)",
            given,
        ),
        (format!("{}/plc", device.name), "it has no target named \"plc\"", name),
    ] {
        let said =
            format!("transom: DeviceRefused: The device refused the connection. ({why})\n         {next}");
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
        "transom: PeerKeyChanged: The other side presents a different key than expected. \
         (expected {other}, but it presents {key})\n         \
         Compare --peer-key with the key that its agent prints when it starts. If the device was reinstalled, pass its new key. Otherwise a machine in between may be intercepting the connection."
    );
    assert_ends(&fleet.connect(&device.name, &viewer, &format!("--stdio --peer-key {other}")), 16, &said);
}

#[test]
fn exit_17_is_a_session_with_the_device_that_runs_already() {
    assert_ends(
        &told(&Message::Refused(RefusalCode::PeerBusy.into())),
        17,
        "transom: PeerBusy: This connector already has a session with that cloud address.\n         \
         End that session first, or start a second connector.",
    );
}

#[test]
fn exit_18_is_a_server_of_another_version() {
    assert_ends(
        &told(&Message::Hello { versions: Versions { oldest: 8, newest: 9 }, binding: Binding::None }),
        18,
        "transom: ProtocolError: The two programs are not compatible. \
         (the server supports versions 8 to 9, but transom 0.1.0 supports version 1: update this program)\n         \
         Update the older of the two. To compare them: transom --version.",
    );
}

#[test]
fn exit_19_is_somebody_who_ends_tls_in_between() {
    assert_ends(
        &told(&Message::Refused(Refusal::from(RefusalCode::ConnectionIntercepted).because("it is"))),
        19,
        "transom: ConnectionIntercepted: A proxy or another machine between this machine and the server terminates its TLS connection. (it is)\n         \
         If it is the server's own proxy, declare it there ([http] trusted_proxies). Otherwise \
         bypass it, or trust another CA with --ca.",
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
        let (_, rest) = text.split_once("update this program) Retrying in ")?;
        Some(rest.split_once(" s.")?.0.parse::<u64>().expect("a number"))
    });
    // At least an hour, and at most half as long again.
    assert!(said.is_some_and(|seconds| (3600..=5400).contains(&seconds)), "{said:?}");
    assert!(agent.runs());
    // The service does not give up on an agent that ends with 18, as an older one does, either.
    let unit = include_str!("../../../../packaging/transom-agent.service");
    assert!(unit.lines().any(|line| line == "RestartPreventExitStatus=1 10"), "{unit}");
    agent.terminate();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}
