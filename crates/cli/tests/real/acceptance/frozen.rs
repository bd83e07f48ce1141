//! A node that is frozen for longer than the others wait for it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use transom_testkit::postgres;
use transom_testkit::process::PATIENCE;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, console, lab, transom};

/// The limit for the others to call it gone. They do after a minute of the same beat, which they
/// read every five seconds.
const CALLED_GONE: Duration = Duration::from_secs(90);
/// The limit for a node that wakes up: it ends its sessions before any other work.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Opens a console's WebSocket without a library, so that the test can check each byte.
fn watch(address: &str, url: &str) -> TcpStream {
    let (_, rest) = url.split_once("://").expect("a URL");
    let (_, path) = rest.split_once('/').expect("a path");
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    write!(
        socket,
        "GET /{path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .expect("it takes the request");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    socket
}

/// Returns the opcode and the payload of the next frame.
fn frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    socket.read_exact(&mut head).expect("a frame");
    let length = match head[1] {
        126 => {
            let mut long = [0; 2];
            socket.read_exact(&mut long).expect("its length");
            usize::from(u16::from_be_bytes(long))
        }
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).expect("its payload");
    (head[0] & 15, payload)
}

/// Sends a viewer's bytes, masked with zeros.
fn say(socket: &mut TcpStream, bytes: &[u8]) {
    let length = u8::try_from(bytes.len()).expect("a short frame");
    socket.write_all(&[0x82, 0x80 | length, 0, 0, 0, 0]).expect("it takes a frame");
    socket.write_all(bytes).expect("it takes a frame");
}

#[test]
fn a_node_that_was_frozen_for_longer_than_the_others_wait_cuts_what_it_carries_when_it_wakes() {
    let url = postgres::database();
    let xvnc = Xvnc::start(Security::None);
    let mut first = lab(transom().environment("TRANSOM_DATABASE", &url));
    let key = first.data().join("master.key").display().to_string();
    let second = transom().environment("TRANSOM_DATABASE", &url).with(["--master-key-file", &key]);
    let mut second = second.serving();
    add(&first, "desk", &xvnc.endpoint(), "");
    let link = console(&first, "desk --kind websocket");
    let mut viewer = watch(first.address(), &link);
    for answer in [&b"RFB 003.008\n"[..], &[1], &[1]] {
        frame(&mut viewer);
        say(&mut viewer, answer);
    }
    // ServerInit: the session is live.
    frame(&mut viewer);

    first.server().freeze();
    second.server().stderr().expect("is considered gone", CALLED_GONE);
    // A session without a ticket is over then, and no viewer can come back to it.
    let ended = || second.ask_json("session list --all")[0]["state"] == "ended";
    let asked = Instant::now();
    while !ended() {
        assert!(asked.elapsed() < PATIENCE, "the session of a node that is gone is ended");
    }
    first.server().thaw();
    let woken = Instant::now();
    let closed = loop {
        // The data that was on its way comes first.
        let (opcode, payload) = frame(&mut viewer);
        if opcode == 8 {
            break u16::from_be_bytes([payload[0], payload[1]]);
        }
    };
    assert!(woken.elapsed() < AT_ONCE, "{:?}", woken.elapsed());
    assert_eq!(closed, 4452);
    first.server().stderr().expect("this node is registered again", PATIENCE);
    let again = console(&first, "desk --kind websocket");
    frame(&mut watch(first.address(), &again));
}
