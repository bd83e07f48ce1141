//! Strangers at the built program's listeners: the lines that they cause in its log, and the
//! connections that they take from it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use transom_testkit::process::PATIENCE;
use transom_testkit::program::Program;

use crate::transom;

/// The number of a stranger's attempts.
const OFTEN: usize = 20;
const FULL: &str = "connections cannot be accepted";

/// Returns a TLS ClientHello (RFC 8446 §4.1.2) for a host with an invalid name.
fn hello_for_no_host() -> Vec<u8> {
    let name = b"no host\nERROR at all";
    let prefixed = |bytes: &[u8]| [&u16::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat();
    let server_name = prefixed(&[&[0][..], &prefixed(name)].concat());
    let extensions = prefixed(&[&[0, 0][..], &prefixed(&server_name)].concat());
    let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &extensions].concat();
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    let message = [&[1][..], &length[1..], &body].concat();
    [&[0x16, 3, 1][..], &prefixed(&message)].concat()
}

/// Returns HTTP/2's preface, SETTINGS, and an answer to a PING that was never sent (RFC 9113 §3.4,
/// §6.5, §6.7).
fn unasked_pong() -> Vec<u8> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    [&preface[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0, 0, 8, 6, 1, 0, 0, 0, 0], &[9; 8]].concat()
}

fn say(to: &str, words: &[u8]) {
    let mut stream = TcpStream::connect(to).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream.write_all(words).expect("it takes that");
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Returns the number of lines in its log about the strangers' bytes.
fn lines(program: &Program) -> usize {
    let log = program.log();
    log.lines().filter(|line| line.contains("SNI") || line.contains("PING")).count()
}

#[test]
fn what_libraries_say_of_a_strangers_bytes_is_told_to_who_asks_for_it() {
    let come = |program: &Program| {
        for _ in 0..OFTEN {
            say(program.address(), &hello_for_no_host());
            say(program.address(), &unasked_pong());
        }
    };
    let program = transom().with(["--self-signed"]).serving();
    come(&program);
    assert_eq!(lines(&program), 0, "{}", program.log());
    let asked = transom().with(["--self-signed"]).logging("info,rustls=warn,h2=warn").serving();
    come(&asked);
    assert_eq!(lines(&asked), 2 * OFTEN, "they are no such bytes any more: {}", asked.log());
}

/// Sets the number of descriptors that the server may have.
fn limit(server: u32, descriptors: usize) {
    let limit = format!("--nofile={descriptors}:");
    let set = Command::new("prlimit").args(["--pid", &server.to_string(), &limit]).status();
    assert!(set.expect("util-linux").success());
}

fn descriptors(server: u32) -> usize {
    fs::read_dir(format!("/proc/{server}/fd")).expect("it runs").count()
}

#[test]
fn without_descriptors_every_door_says_so_and_goes_on_when_there_are_some() {
    let mut program = transom();
    let config = "[repeater]\ndevices = \"127.0.0.1:0\"\nviewers = \"127.0.0.1:0\"\n[relay]\nlisten = \"127.0.0.1:0\"\n";
    let config = program.file("transom.toml", config);
    program = program.environment("TRANSOM_CONFIG", config).serving();
    let whole = |log: &str| (log.matches("unencrypted").count() == 2).then(|| log.to_owned());
    let log = program.server().stderr().find(PATIENCE, whole).expect("it says where it listens");
    let after = |words: &str| {
        let (_, rest) = log.split_once(words).expect("it says so");
        rest.split([',', '\n']).next().expect("an address").trim_matches(['"', ' ']).to_owned()
    };
    let introduction = {
        let mut bytes = b"ID:NOBODY".to_vec();
        bytes.resize(250, 0);
        bytes
    };
    let greeting = b"RFB 000.000\n".to_vec();
    let doors = [
        (
            program.address().to_owned(),
            b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec(),
            b"HTTP/1.1 200".to_vec(),
        ),
        (after("It also accepts devices with a repeater ticket on "), introduction.clone(), Vec::new()),
        (after("It also accepts viewers with a repeater ID on "), introduction, greeting),
        (after("listening for raw data connections of devices address="), Vec::new(), b"TRANSOM".to_vec()),
    ];
    let server = program.server().id();
    // Counted once, since the crowd at the previous listener may not be gone yet.
    let at_rest = descriptors(server);
    for (door, words, answer) in doors {
        let before = program.log().matches(FULL).count();
        limit(server, at_rest + 2);
        let crowd: Vec<_> = (0..8).map(|_| TcpStream::connect(&door).expect("the kernel takes it")).collect();
        let mut told = |lines: usize| {
            let enough = |log: &str| (log.matches(FULL).count() >= before + lines).then(Instant::now);
            program.server().stderr().find(PATIENCE, enough).expect("it says so")
        };
        // It tries twenty times a second, and logs it once.
        let (first, third) = (told(1), told(3));
        assert!(third - first > Duration::from_millis(1500), "{door}: {:?}", third - first);
        drop(crowd);
        limit(server, 1024);
        let mut stream = TcpStream::connect(&door).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream.write_all(&words).expect("it takes that");
        if words.is_empty() {
            stream.shutdown(std::net::Shutdown::Write).expect("it is there");
        }
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        assert!(heard.starts_with(&answer), "{door}: {heard:?}");
        assert!(program.server().runs());
    }
}
