//! The request for a console's WebSocket, however it arrives: what it is answered is the same.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_testkit::duplex::Duplex;
use transom_testkit::wait::within;
use transom_testkit::{Script, Step, TestServer};

use crate::stage::{Stage, refused};

/// RFB's version in a frame of its own (RFC 6143 §7.1.1, RFC 6455 §5.2).
const GREETING: &[u8] = b"\x82\x0cRFB 003.008\n";
const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// As browsers send it: on a connection of its own.
    Alone,
    /// With so many headers that it is not read at once.
    Long,
    /// On a connection that was used before, as a proxy may do.
    BehindAnother,
}

const WAYS: [Way; 3] = [Way::Alone, Way::Long, Way::BehindAnother];

impl Way {
    /// Sends the request; the connection, from the answer on.
    async fn ask(self, stage: &Stage, token: &str, header: &str) -> Box<dyn Duplex> {
        self.ask_and(stage, token, header, b"").await
    }

    /// The same, with bytes right behind the request.
    async fn ask_and(self, stage: &Stage, token: &str, header: &str, behind: &[u8]) -> Box<dyn Duplex> {
        let mut stream = stage.server.viewer().bare().await;
        let more =
            if self == Self::Long { format!("X-More: {}\r\n", "x".repeat(2000)) } else { String::new() };
        let request = format!(
            "GET /websockify?token={token} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n{header}{more}\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        if self == Self::BehindAnother {
            stream.write_all(HEALTH.as_bytes()).await.unwrap();
            assert!(body(&mut stream).await.1.ends_with("ok\n"));
        }
        stream.write_all(&[request.as_bytes(), behind].concat()).await.unwrap();
        stream
    }
}

/// An answer's head: its lines, sorted, without what differs in each. Only hyper dates its answers.
async fn head(stream: &mut Box<dyn Duplex>) -> Vec<String> {
    dated_head(stream).await.0
}

async fn dated_head(stream: &mut Box<dyn Duplex>) -> (Vec<String>, bool) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("an answer", stream.read_u8()).await.unwrap());
    }
    let text = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(text.contains("\r\nx-request-id: req-"), "{text}");
    let of_its_own = |line: &&str| line.starts_with("date:") || line.starts_with("x-request-id:");
    let mut lines: Vec<_> =
        text.lines().filter(|line| !line.is_empty() && !of_its_own(line)).map(str::to_owned).collect();
    lines[1..].sort();
    (lines, text.contains("\r\ndate:"))
}

/// An answer with its body.
async fn body(stream: &mut Box<dyn Duplex>) -> (Vec<String>, String) {
    let head = head(stream).await;
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).expect("a body");
    let mut body = vec![0; length.parse().unwrap()];
    within("the body", stream.read_exact(&mut body)).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn a_good_one_becomes_a_console() {
    let stage = Stage::set().await;
    for way in WAYS {
        let mut stream = way.ask(&stage, &stage.token().await, "").await;
        let (head, dated) = dated_head(&mut stream).await;
        assert_eq!(dated, way != Way::Alone, "{way:?} was answered by another");
        assert_eq!(
            head,
            [
                "http/1.1 101 switching protocols",
                "connection: upgrade",
                "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
                "sec-websocket-protocol: binary",
                "upgrade: websocket",
            ],
            "{way:?}"
        );
        let mut greeting = [0; GREETING.len()];
        within("the greeting", stream.read_exact(&mut greeting)).await.unwrap();
        assert_eq!(greeting, GREETING, "{way:?}");
    }
}

/// RFC 6455 §4.2.2: a server that speaks none of the subprotocols names none, and the client decides.
#[tokio::test]
async fn one_that_offers_other_subprotocols_gets_a_console_without_any() {
    let stage = Stage::set().await;
    for offered in ["base64", "base64, chat", "vnc"] {
        let mut stream = stage.server.viewer().bare().await;
        let request = format!(
            "GET /websockify?token={} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {offered}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            stage.token().await
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = head(&mut stream).await;
        assert_eq!(head[0], "http/1.1 101 switching protocols", "{offered}");
        assert!(!head.iter().any(|line| line.starts_with("sec-websocket-protocol")), "{offered}: {head:?}");
        let mut greeting = [0; GREETING.len()];
        within("the greeting", stream.read_exact(&mut greeting)).await.unwrap();
        assert_eq!(greeting, GREETING, "{offered}");
    }
}

#[tokio::test]
async fn what_came_right_behind_it_is_not_lost() {
    let stage = Stage::set().await;
    // The viewer's version, masked with zeros: it knows what it will be asked.
    let version = b"\x82\x8c\0\0\0\0RFB 003.008\n";
    for way in WAYS {
        let mut stream = way.ask_and(&stage, &stage.token().await, "", version).await;
        head(&mut stream).await;
        let mut said = [0; GREETING.len() + 4];
        within("the security types", stream.read_exact(&mut said)).await.unwrap();
        assert_eq!(said[..GREETING.len()], *GREETING, "{way:?}");
        assert_eq!(said[GREETING.len()..], *b"\x82\x02\x01\x01", "{way:?}");
    }
}

#[tokio::test]
async fn one_beyond_the_budget_of_its_source_is_told_to_come_again() {
    let server = TestServer::setup().config(|config| config.limits.http_per_source = 1).start().await;
    let stage = Stage::on(server, Script::default()).await;
    let token = stage.token().await;
    let mut held = stage.server.viewer().from([127, 0, 0, 9].into()).bare().await;
    held.write_all(HEALTH.as_bytes()).await.unwrap();
    body(&mut held).await;
    let from_there = stage.server.viewer().from([127, 0, 0, 9].into()).token(&token);
    assert!(refused(from_there).await.starts_with("503 "));
    stage.server.viewer().token(&token).view().await;
}

#[tokio::test]
async fn a_refused_one_is_told_why_in_headers_and_no_byte_follows_them() {
    let stage = Stage::set().await;
    let mut answers = Vec::new();
    for way in WAYS {
        let mut stream = way.ask(&stage, "nobody-knows-it", "").await;
        let head = head(&mut stream).await;
        assert_eq!(head[0], "http/1.1 401 unauthorized", "{way:?}");
        let why = "x-refusal: token-unknown: this console link is not valid.";
        assert!(head.iter().any(|line| line == why), "{way:?}: {head:?}");
        let mut rest = Vec::new();
        within("the connection's end", stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"", "{way:?}");
        answers.push(head);
    }
    assert!(answers.iter().all(|answer| answer[1..] == answers[0][1..]), "{answers:?}");
}

#[tokio::test]
async fn one_from_a_page_is_refused_by_a_close_code() {
    let stage = Stage::set().await;
    for way in WAYS {
        let origin = format!("Origin: {}\r\n", stage.server.origin());
        let mut stream = way.ask(&stage, "nobody-knows-it", &origin).await;
        assert_eq!(head(&mut stream).await[0], "http/1.1 101 switching protocols", "{way:?}");
        let mut close = [0; 4];
        within("a close frame", stream.read_exact(&mut close)).await.unwrap();
        assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 4401), "{way:?}");
    }
}

#[tokio::test]
async fn the_viewer_is_greeted_while_the_instance_is_dialled() {
    for way in WAYS {
        let stage = Stage::with(Script::default().holds(Step::Greeting)).await;
        let mut stream = way.ask(&stage, &stage.token().await, "").await;
        stage.machine.held().await;
        // One packet has both, the answer and what comes over the WebSocket.
        let mut packet = [0; 4096];
        let count = within("the greeting", stream.read(&mut packet)).await.unwrap();
        assert!(packet[..count].starts_with(b"HTTP/1.1 101 "), "{way:?}");
        assert!(packet[..count].ends_with(GREETING), "{way:?}");
    }
}

/// A masked ping with four bytes (RFC 6455 §5.5.2).
fn ping(payload: [u8; 4]) -> Vec<u8> {
    [&[0x89, 0x84, 0, 0, 0, 0][..], &payload].concat()
}

#[tokio::test]
async fn a_ping_is_answered_where_nothing_else_moves_and_behind_what_waits() {
    let stage = Stage::set().await;
    let (mut viewer, guest) = stage.session().await;
    viewer.send_below(&ping(*b"calm")).await.unwrap();
    viewer.ponged(b"calm").await.unwrap();
    // The viewer reads nothing until the instance stands still.
    guest.flood(64 * 1024 * 1024);
    guest.stalled().await;
    for payload in [*b"one.", *b"two.", *b"last"] {
        viewer.send_below(&ping(payload)).await.unwrap();
    }
    viewer.ponged(b"last").await.unwrap();
}
