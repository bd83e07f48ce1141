//! Requests for a console's WebSocket. The response is the same in whatever form the request
//! arrives.

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
    /// A request on its own connection, as browsers send it.
    Alone,
    /// A request with so many headers that one read does not return all of it.
    Long,
    /// A request on a connection that was used before, as a proxy may send it.
    BehindAnother,
}

const WAYS: [Way; 3] = [Way::Alone, Way::Long, Way::BehindAnother];

impl Way {
    /// Sends the request. Returns the connection, at the start of the response.
    async fn ask(self, stage: &Stage, token: &str, header: &str) -> Box<dyn Duplex> {
        self.ask_and(stage, token, header, b"").await
    }

    /// Sends the request, directly followed by more bytes.
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

/// A response's header lines, sorted and without the variable ones. Only hyper sends a date.
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

/// A response with its body.
async fn body(stream: &mut Box<dyn Duplex>) -> (Vec<String>, String) {
    let head = head(stream).await;
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).expect("a body");
    let mut body = vec![0; length.parse().unwrap()];
    within("the body", stream.read_exact(&mut body)).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn a_valid_request_becomes_a_console() {
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

/// RFC 6455 §4.2.2: a server without support for an offered subprotocol names none, and the
/// client decides.
#[tokio::test]
async fn a_request_with_other_subprotocols_gets_a_console_without_one() {
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
async fn data_directly_after_the_request_is_not_lost() {
    let stage = Stage::set().await;
    // The viewer's version, masked with zeros. The viewer knows the question in advance.
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
async fn a_request_beyond_its_sources_budget_is_told_to_retry() {
    let server = TestServer::setup().config(|config| config.limits.http_per_source = 1).start().await;
    let stage = Stage::on(server, Script::default()).await;
    let token = stage.token().await;
    let mut held = stage.server.viewer().from([127, 0, 0, 9].into()).bare().await;
    held.write_all(HEALTH.as_bytes()).await.unwrap();
    body(&mut held).await;
    let overloaded = "overloaded: transom is at capacity.";
    let from_there = async || stage.server.viewer().from([127, 0, 0, 9].into()).bare().await;
    for path in ["/websockify?token=x", "/?token=x", "/console/session", "/nothing"] {
        assert_bare(&mut from_there().await, path, "503 service unavailable", Some(overloaded)).await;
    }
    for path in ["/v2.1/servers", "/api/v2/zec", "/cloud/1.1/static-address"] {
        assert_bare(&mut from_there().await, path, "503 service unavailable", None).await;
    }
    let viewer = stage.server.viewer().from([127, 0, 0, 9].into()).token(&token);
    assert_eq!(refused(viewer).await, "503 overloaded: Transom is at capacity.");
    stage.server.viewer().token(&token).view().await;
}

#[tokio::test]
async fn a_refused_request_gets_the_reason_in_headers_and_no_body() {
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

/// Asks for a WebSocket here, and expects a refusal whose headers nothing follows.
async fn assert_bare(stream: &mut Box<dyn Duplex>, path: &str, status: &str, why: Option<&str>) {
    ask_with(stream, path, "Host: x\r\n").await;
    refusal_is_bare(stream, path, status, why).await;
}

async fn ask_with(stream: &mut Box<dyn Duplex>, path: &str, headers: &str) {
    let request = format!(
        "GET {path} HTTP/1.1\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
}

async fn refusal_is_bare(stream: &mut Box<dyn Duplex>, path: &str, status: &str, why: Option<&str>) {
    let mut answer = String::new();
    within("the connection's end", stream.read_to_string(&mut answer)).await.unwrap();
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(rest, "", "{path}: {head}");
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with(&format!("http/1.1 {status}")), "{path}: {head}");
    assert!(!head.contains("content-type:"), "{path}: {head}");
    let told = head.lines().find_map(|line| line.strip_prefix("x-refusal: "));
    let is_told = told.zip(why).is_some_and(|(told, why)| told.starts_with(why));
    assert!(is_told || told.or(why).is_none(), "{path}: {head}");
}

#[tokio::test]
async fn one_that_is_refused_by_whomever_has_no_body_either() {
    let stage = Stage::set().await;
    for (path, headers, status, why) in [
        ("/nothing", "Host: x\r\n", "404 ", None),
        ("/api/v1/projects", "Host: x\r\n", "401 ", Some("unauthenticated: ")),
        ("/v2.1/servers", "Host: x\r\n", "401 ", None),
        ("/websockify?token=x", "", "400 ", Some("invalid: ")),
        ("/websockify?token=x", "Host: x\r\nHost: y\r\n", "400 ", Some("invalid: ")),
    ] {
        let mut stream = stage.server.viewer().bare().await;
        ask_with(&mut stream, path, headers).await;
        refusal_is_bare(&mut stream, path, status, why).await;
    }
}

#[tokio::test]
async fn a_request_from_a_page_is_refused_by_a_close_code() {
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
        // One packet contains both the response and the first WebSocket data.
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
async fn a_ping_is_answered_on_an_idle_and_on_a_blocked_connection() {
    let stage = Stage::set().await;
    let (mut viewer, guest) = stage.session().await;
    viewer.send_below(&ping(*b"calm")).await.unwrap();
    viewer.ponged(b"calm").await.unwrap();
    // The viewer reads nothing until the instance meets back-pressure.
    guest.flood(64 * 1024 * 1024);
    guest.stalled().await;
    for payload in [*b"one.", *b"two.", *b"last"] {
        viewer.send_below(&ping(payload)).await.unwrap();
    }
    viewer.ponged(b"last").await.unwrap();
}
