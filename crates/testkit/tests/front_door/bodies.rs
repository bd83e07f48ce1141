//! Request bodies of unauthenticated callers: each source has a limit on buffered bytes, which
//! every door reports.

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_testkit::duplex::Duplex;
use transom_testkit::wait::within;
use transom_testkit::{Script, TestServer, api};

use crate::stage::Stage;

/// The buffer share of a source. Each body below takes a quarter of it.
const SHARE: usize = 16 * 1024;
const BODY: usize = 3500;

async fn server() -> TestServer {
    TestServer::setup().config(|config| config.limits.unproved_bytes_per_source = SHARE).start().await
}

/// A request with most of a body, which then stalls.
async fn unfinished(server: &TestServer, path: &str, headers: &str, source: u8) -> Box<dyn Duplex> {
    let mut stream = server.viewer().from([127, 0, 0, source].into()).bare().await;
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {}\r\n\r\n", BODY + 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b' '; BODY]).await.unwrap();
    stream
}

/// The answer once the body is complete.
async fn answer(mut stream: Box<dyn Duplex>) -> String {
    stream.write_all(b" ").await.unwrap();
    let mut answer = Vec::new();
    within("an answer", async {
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "it ends without an answer");
        }
    })
    .await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Headers that are valid as far as can be judged before the body: the key exists and the time is
/// right.
fn signed(key: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    format!(
        "Authorization: ZC2-HMAC-SHA256 Credential={key}, SignedHeaders=content-type;host, Signature={}\r\n\
         X-ZC-Timestamp: {now}\r\n",
        "0".repeat(64)
    )
}

#[tokio::test]
async fn the_buffer_limit_of_a_source_applies_at_every_door_and_affects_no_other_source() {
    let stage = Stage::on(server().await, Script::default()).await;
    let server = &stage.server;
    let key = server.api().add_key("alpha", "member").await;
    let zenlayer = signed(&key.id);
    for (n, (path, headers, id)) in (20_u8..).zip([
        ("/console/exchange", "", "x-request-id: req-"),
        ("/v3/auth/tokens", "", "x-openstack-request-id: req-"),
        ("/identity/v3/auth/tokens", "", "x-openstack-request-id: req-"),
        ("/v2.0/tokens", "", "x-openstack-request-id: req-"),
        ("/api/v2/zec", zenlayer.as_str(), "x-request-id: T"),
    ]) {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(unfinished(server, path, &headers, n).await);
        }
        // The bodies are read in parallel; the excess shows once all have arrived.
        let mut refused = 0;
        for _ in 0..4 {
            let told = answer(unfinished(server, path, &headers, n).await).await;
            if told.starts_with("HTTP/1.1 503") {
                assert!(told.contains("retry-after: ") && told.contains(id), "{path}: {told}");
                refused += 1;
            }
        }
        assert!(refused > 0, "{path}: all was kept");
        let elsewhere = answer(unfinished(server, path, &headers, n + 100).await).await;
        assert!(elsewhere.starts_with("HTTP/1.1 4"), "{path}: {elsewhere}");
        drop(held);
    }
    assert!(server.api().metric("transom_bodies_shed_total").await >= 5.0);
    // All of the share becomes free again.
    let token = stage.token().await;
    server.api().exchange(json!({ "token": token })).await.done();
}

#[tokio::test]
async fn callers_with_credentials_in_headers_are_verified_before_their_body_and_not_counted() {
    let server = server().await;
    let key = server.api().add_key("alpha", "admin").await;
    let basic = |secret: &str| {
        let key = transom_testkit::Key { secret: secret.to_owned(), ..key.clone() };
        let request = server.api().with_key(&key).request(Method::POST, "/").build().unwrap();
        let basic = request.headers()["authorization"].to_str().unwrap();
        format!("Authorization: {basic}\r\nContent-Type: application/json\r\n")
    };
    for path in ["/api/v1/keys", "/cloud/1.1/static-address", "/v2.1/servers/a/action"] {
        let mut held = Vec::new();
        for _ in 0..9 {
            held.push(unfinished(&server, path, &basic(&key.secret), 1).await);
        }
        for stream in held {
            let told = answer(stream).await;
            assert!(told.starts_with("HTTP/1.1 400"), "{path}: {told}");
        }
        for headers in [String::new(), basic("wrong")] {
            let told = answer(unfinished(&server, path, &headers, 1).await).await;
            assert!(told.starts_with("HTTP/1.1 401"), "{path}: {told}");
        }
    }
    // Far more than the share.
    let large = server.api().with_key(&key).request(Method::POST, "/api/v1/keys");
    let large = large.json(&json!({ "project": "alpha", "role": "member", "name": "x".repeat(200_000) }));
    assert_eq!(api::send(large).await.status, 400);
    assert_eq!(server.api().metric("transom_bodies_shed_total").await, 0.0);
    // An unknown key is reported before a long body is buffered.
    let long = server.api().anonymous().request(Method::POST, "/api/v2/zec").body(vec![b' '; 50_000]);
    let long =
        signed("AK0000").lines().fold(long.header("content-type", "application/json"), |long, line| {
            let (name, value) = line.split_once(": ").unwrap();
            long.header(name, value)
        });
    let told = api::send(long).await;
    assert_eq!((told.status, told.json()["code"].as_str()), (401, Some("AUTHFAILURE_SIGNATURE_FAILURE")));
}

#[tokio::test]
async fn a_login_has_a_small_body() {
    let server = TestServer::start().await;
    for (path, most) in [("/v3/auth/tokens", 16), ("/v2.0/tokens", 16), ("/console/exchange", 4)] {
        for (size, status) in [(most * 1024, 400), (most * 1024 + 1, 413)] {
            let request = server.api().anonymous().request(Method::POST, path);
            let request = request.header("content-type", "application/json").body(vec![b' '; size]);
            assert_eq!(api::send(request).await.status, status, "{path} {size}");
        }
    }
}
