//! HTTP connections that stay open unused: each source has a budget, and every connection has a
//! deadline.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::task::JoinSet;
use tokio::time::timeout;
use transom_testkit::duplex::Duplex;
use transom_testkit::wait::{until, within};
use transom_testkit::{Script, TestServer, clock};

use crate::stage::Stage;

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
/// The connection preface of HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A request for `/healthz` on stream 1 without a body, with literal header fields (RFC 7541 §6.2).
fn health_over_http_2() -> Vec<u8> {
    let head = b"\x82\x86\x04\x08/healthz\x41\x01x";
    [&[0, 0, head.len() as u8, 1, 5, 0, 0, 0, 1], &head[..]].concat()
}

/// Waits until the server has no connections.
async fn until_alone(server: &TestServer) {
    until("nothing is left of it", || server.server().tasks() == 1).await;
}

async fn status(stream: &mut Box<dyn Duplex>) -> String {
    let mut answer = [0; 12];
    within("an answer", stream.read_exact(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A connection whose client sends requests and never reads the answers.
async fn stalled(server: &TestServer) -> Box<dyn Duplex> {
    let mut stream = server.viewer().bare().await;
    let questions = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    // When the answers stall, so do the requests.
    while let Ok(written) = timeout(Duration::from_millis(500), stream.write_all(&questions)).await {
        written.unwrap();
    }
    stream
}

#[tokio::test]
async fn a_stalled_connection_does_not_hold_up_the_end() {
    let server = TestServer::setup().config(|config| config.limits.drain.0 = Duration::from_secs(600));
    let server = server.start().await;
    let _stalled = stalled(&server).await;
    within("the end", server.stop()).await;
}

#[tokio::test]
async fn a_client_that_never_reads_its_answers_is_disconnected() {
    let server = TestServer::start().await;
    let _stalled = stalled(&server).await;
    server.api().get("/healthz").await;
    clock::pass(Duration::from_secs(31)).await;
    until_alone(&server).await;
}

#[tokio::test]
async fn an_http_2_connection_without_a_next_request_is_closed() {
    let server = TestServer::start().await;
    let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let health = format!("{}/healthz", server.origin());
    for _ in 0..3 {
        assert_eq!(http.get(&health).send().await.unwrap().status(), 200);
        clock::pass(Duration::from_secs(29)).await;
        assert_eq!(server.server().tasks(), 2, "it lives while it is used");
    }
    // The first wait ended with a request. Another full wait starts.
    for _ in 0..3 {
        clock::pass(Duration::from_secs(30)).await;
        server.api().get("/healthz").await;
    }
    until_alone(&server).await;
}

#[tokio::test]
async fn an_http_2_connection_that_takes_no_answer_and_only_answers_pings_is_closed() {
    let server = TestServer::start().await;
    let (mut reader, mut writer) = split(server.viewer().bare().await);
    // SETTINGS with an initial window of 0 (RFC 9113 §6.5.2), so the body of the answer must wait.
    let settings = [&[0, 0, 6, 4, 0, 0, 0, 0, 0][..], &[0, 4, 0, 0, 0, 0]].concat();
    writer.write_all(&[PREFACE, &settings, &health_over_http_2()].concat()).await.unwrap();
    let mut peer = JoinSet::new();
    peer.spawn(async move {
        let mut head = [0; 9];
        while reader.read_exact(&mut head).await.is_ok() {
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            assert_ne!(head[3], 0, "DATA came without a window");
            if reader.read_exact(&mut payload).await.is_err() {
                break;
            }
            if let [.., 6, 0, _, _, _, _] = head {
                let _ = writer.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0], &payload[..]].concat()).await;
            }
        }
    });
    until("it is a request", || server.server().tasks() == 2 && server.server().half_open() == 0).await;
    for _ in 0..9 {
        server.api().get("/healthz").await;
        clock::pass(Duration::from_secs(8)).await;
    }
    until_alone(&server).await;
    within("its end", peer.join_next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_source_has_a_limit_of_http_connections_that_excludes_consoles() {
    let server = TestServer::setup().config(|config| config.limits.http_per_source = 2).start().await;
    let stage = Stage::on(server, Script::default()).await;
    // A console starts as an HTTP connection and frees that slot.
    let _consoles = (stage.session().await, stage.session().await);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = stage.server.viewer().bare().await;
        stream.write_all(HEALTH).await.unwrap();
        assert_eq!(status(&mut stream).await, "HTTP/1.1 200");
        held.push(stream);
    }
    let mut one_too_many = stage.server.viewer().bare().await;
    one_too_many.write_all(HEALTH).await.unwrap();
    let mut answer = String::new();
    within("an answer and the end", one_too_many.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("\"code\":\"overloaded\""), "{answer}");
    // Each door answers in its own form, after it has received the whole request.
    for (path, shape, header) in [
        ("/api/v2/zec", "\"code\":\"SERVICE_TEMPORARY_UNAVAILABLE\"", "x-request-id: T"),
        ("/v2.1/servers", "{\"serviceUnavailable\":{", "x-compute-request-id: req-"),
        ("/v3/auth/tokens", "{\"error\":{\"code\":503", "x-openstack-request-id: req-"),
        ("/cloud/1.1/static-address", "content-length: 0", "retry-after"),
    ] {
        let mut shed = stage.server.viewer().bare().await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
        shed.write_all(head.as_bytes()).await.unwrap();
        shed.write_all(&vec![b' '; 1_000_000]).await.unwrap();
        let mut answer = String::new();
        within("an answer and the end", shed.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: "), "{answer}");
        assert!(answer.contains(shape) && answer.contains(header), "{answer}");
    }
    let mut elsewhere = stage.server.viewer().from([127, 0, 0, 9].into()).bare().await;
    elsewhere.write_all(HEALTH).await.unwrap();
    assert_eq!(status(&mut elsewhere).await, "HTTP/1.1 200");
    drop(held);
    drop(stage.session().await);
}

#[tokio::test]
async fn a_client_refused_over_http_2_gets_the_answer_while_it_still_sends() {
    let server = TestServer::start().await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let address = server.address();
    for (path, status) in
        [("/v2.1/servers/a/action", 401), ("/v2.1/nothing", 401), ("/v3", 405), ("/api/v1/projects", 401)]
    {
        for size in [40, 300_000, 4_000_000] {
            let request = client.post(format!("http://{address}{path}")).header("x-auth-token", "bad");
            let answer = within("an answer", request.body(vec![b' '; size]).send()).await.unwrap();
            assert_eq!(answer.status(), status, "{path} {size}");
            let body = within("its body", answer.json::<serde_json::Value>()).await;
            assert!(body.unwrap().is_object(), "{path} {size}");
        }
    }
}

#[tokio::test]
async fn the_exchange_takes_no_large_body() {
    let server = TestServer::start().await;
    let answer = server.api().exchange(json!({ "token": "x".repeat(8000) })).await;
    assert_eq!(answer.status, 413);
}
