//! Slow peers: the server releases connections that send nothing, or only a byte now and then.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_testkit::duplex::Duplex;
use transom_testkit::wait::{until, within};
use transom_testkit::{TestServer, clock};

/// Asserts that the connection is over and that the server has released it.
async fn assert_let_go(server: &TestServer, mut stream: Box<dyn Duplex>) {
    let mut rest = Vec::new();
    // The connection may end in an orderly way or with a reset.
    let _ = within("the connection's end", stream.read_to_end(&mut rest)).await;
    until("nothing is left of it", || server.server().half_open() == 0 && server.server().tasks() == 1).await;
}

#[tokio::test]
async fn a_connection_that_never_sends_a_whole_head_is_closed() {
    let server = TestServer::start().await;
    for begun in [
        &b""[..],
        b"G",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",
        b"POST /console/exchange HTTP/1.1\r\n",
        b"CONNECT /cons",
        b"CONNECT /console?token=x HTTP/1.0\r\nX",
        b"PRI * HTT",
        b"PRI * HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        // An empty SETTINGS frame (RFC 9113 §6.5) completes the preface, but no request follows.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let mut stream = server.viewer().bare().await;
        stream.write_all(begun).await.unwrap();
        until("it is seen", || server.server().half_open() == 1).await;
        // The server has read what was sent, and waits for more.
        server.api().get("/healthz").await;
        clock::pass(Duration::from_secs(11)).await;
        server.api().get("/healthz").await;
        clock::pass(Duration::from_secs(11)).await;
        within(&format!("the end of {:?}", String::from_utf8_lossy(begun)), assert_let_go(&server, stream))
            .await;
    }
}

#[tokio::test]
async fn a_dripping_request_head_is_cut_off() {
    let server = TestServer::start().await;
    let mut stream = server.viewer().bare().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    until("it is seen", || server.server().half_open() == 1).await;
    for _ in 0..4 {
        server.api().get("/healthz").await;
        clock::pass(Duration::from_secs(3)).await;
        // The connection may already be cut, in which case the write fails.
        let _ = stream.write_all(b"x-a: b\r\n").await;
    }
    assert_let_go(&server, stream).await;
}

#[tokio::test]
async fn a_body_that_never_comes_is_answered_with_408() {
    let server = TestServer::start().await;
    let mut stream = server.viewer().bare().await;
    let head = "POST /console/exchange HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    until("it is a request", || server.server().tasks() == 2 && server.server().half_open() == 0).await;
    server.api().get("/healthz").await;
    clock::pass(Duration::from_secs(31)).await;
    let mut answer = [0; 12];
    within("an answer", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, *b"HTTP/1.1 408");
    clock::pass(Duration::from_secs(11)).await;
    assert_let_go(&server, stream).await;
}

#[tokio::test]
async fn a_kept_alive_connection_without_a_next_request_is_closed() {
    let server = TestServer::start().await;
    let mut stream = server.viewer().bare().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    within("an answer", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, *b"HTTP/1.1 200");
    server.api().get("/healthz").await;
    clock::pass(Duration::from_secs(11)).await;
    assert_let_go(&server, stream).await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let server = TestServer::start().await;
    for (begun, status) in
        [("GET /healthz HTTP/1.1\r\nX: ", "HTTP/1.1 431"), ("CONNECT /console?x=", "HTTP/1.1 400")]
    {
        let mut stream = server.viewer().bare().await;
        let head = [begun.as_bytes(), &[b'x'; 40_000]].concat();
        // The refusal may arrive before the whole request is sent.
        let _ = stream.write_all(&head).await;
        let mut answer = [0; 12];
        within("an answer", stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), status);
        let _ = stream.shutdown().await;
        assert_let_go(&server, stream).await;
    }
}

#[tokio::test]
async fn a_connection_without_http_is_closed() {
    let server = TestServer::start().await;
    for garbage in [
        &b"RFB 003.008\n"[..],
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"SSH-2.0-x\r\n\r\n",
    ] {
        let mut stream = server.viewer().bare().await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_let_go(&server, stream).await;
    }
}
