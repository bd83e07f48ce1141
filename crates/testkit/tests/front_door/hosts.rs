//! `Host`: each request names its destination exactly once, whichever part of the server reads it.
//! `/metrics` is available to this machine under its own name.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_testkit::TestServer;
use transom_testkit::wait::within;

/// The whole answer to a raw request.
async fn answer(server: &TestServer, request: &str) -> String {
    let mut stream = server.viewer().bare().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer and the end", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// RFC 9112 §3.2.
#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused_on_every_path() {
    let server = TestServer::start().await;
    for (path, shape) in [
        ("/healthz", "\"code\":\"invalid\""),
        ("/console", "\"code\":\"invalid\""),
        ("/api/v1/projects", "\"code\":\"invalid\""),
        ("/api/v2/zec", "\"code\":\"INVALID_PARAMETER_VALUE\""),
        ("/v3/auth/tokens", "{\"error\":{\"code\":400"),
        ("/v2.1/servers", "{\"badRequest\":{"),
        ("/cloud/1.1/static-address", "content-length: 0"),
        ("/tunnel/v1/control", "\"code\":\"invalid\""),
    ] {
        for hosts in
            ["", "Host: a\r\nHost: b\r\n", "Host: a\r\nhost: a\r\n", "Host: a/b\r\n", "Host: a, b\r\n"]
        {
            let request = format!("POST {path} HTTP/1.1\r\n{hosts}Content-Length: 2\r\n\r\n{{}}");
            let answer = answer(&server, &request).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{path} {hosts:?}: {answer}");
            assert!(answer.contains(shape) && answer.contains("connection: close"), "{path}: {answer}");
        }
    }
    // Requests that bypass the HTTP library.
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a@b\r\n"] {
        for path in ["/websockify?token=x", "/?token=x", "/console/session"] {
            let answer = answer(&server, &format!("GET {path} HTTP/1.1\r\n{hosts}{UPGRADE}\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("host exactly once"), "{answer}");
        }
        let answer = answer(&server, &format!("CONNECT /console?token=x HTTP/1.1\r\n{hosts}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 Invalid Request\r\n"), "{hosts:?}: {answer}");
    }
    let two = "CONNECT /console?token=x HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n";
    assert!(answer(&server, two).await.starts_with("HTTP/1.1 400 Invalid Request\r\n"));
}

#[tokio::test]
async fn an_older_request_needs_no_host() {
    let server = TestServer::start().await;
    assert!(answer(&server, "GET /healthz HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200"));
    let connect = answer(&server, "CONNECT /console?token=x HTTP/1.0\r\n\r\n").await;
    assert!(connect.starts_with("HTTP/1.1 401 Not Authorized\r\n"), "{connect}");
    let named = answer(&server, "CONNECT /console?token=x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(named.starts_with("HTTP/1.1 401 Not Authorized\r\n"), "{named}");
}

#[tokio::test]
async fn this_machine_gets_metrics_only_under_its_own_name() {
    let public = "https://console.example.com".parse().unwrap();
    let setup = TestServer::setup().config(|config| config.http.public_url = Some(public));
    let server = setup.start().await;
    let token = &server.server().admin().token;
    let ask = async |head: &str| {
        let request = format!("GET /metrics HTTP/1.1\r\n{head}Connection: close\r\n\r\n");
        answer(&server, &request).await[..12].to_owned()
    };
    for (head, status) in [
        ("Host: 127.0.0.1:8080\r\n", "HTTP/1.1 200"),
        ("Host: LOCALHOST\r\n", "HTTP/1.1 200"),
        ("Host: [::1]\r\n", "HTTP/1.1 200"),
        ("Host: console.example.com\r\n", "HTTP/1.1 200"),
        // A page from elsewhere whose name resolves to this machine.
        ("Host: evil.example\r\n", "HTTP/1.1 401"),
        ("Host: evil.example:8080\r\n", "HTTP/1.1 401"),
        ("Host: localhost.evil.example\r\n", "HTTP/1.1 401"),
        ("Host: 127.0.0.1.evil.example\r\n", "HTTP/1.1 401"),
        ("Host: 192.0.2.1\r\n", "HTTP/1.1 401"),
        ("Host:\r\n", "HTTP/1.1 401"),
        // An undeclared proxy on this machine.
        ("Host: localhost\r\nX-Real-IP: 192.0.2.1\r\n", "HTTP/1.1 401"),
        ("Host: localhost\r\nForwarded: for=192.0.2.1\r\n", "HTTP/1.1 401"),
    ] {
        assert_eq!(ask(head).await, status, "{head}");
    }
    let absolute = "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(answer(&server, absolute).await.starts_with("HTTP/1.1 401"), "the URL counts before Host");
    let proved = format!("Host: evil.example\r\nAuthorization: Bearer {}\r\n", token);
    assert_eq!(ask(&proved).await, "HTTP/1.1 200");
}
