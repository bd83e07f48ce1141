//! Slow peers: whoever sends nothing, or a byte now and then, is let go after a while.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_testkit::duplex::Duplex;
use transom_testkit::wait::{until, within};
use transom_testkit::{TestServer, clock};

/// The connection is over: nothing more comes, and the server keeps nothing of it.
async fn assert_let_go(server: &TestServer, mut stream: Box<dyn Duplex>) {
    let mut rest = Vec::new();
    // An end and a reset are both an end.
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
        // An empty SETTINGS frame (RFC 9113 §6.5): the preface is done, and no request follows.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let mut stream = server.viewer().bare().await;
        stream.write_all(begun).await.unwrap();
        until("it is seen", || server.server().half_open() == 1).await;
        // What was sent is read, and the wait for more begun.
        server.api().get("/healthz").await;
        clock::pass(Duration::from_secs(11)).await;
        server.api().get("/healthz").await;
        clock::pass(Duration::from_secs(11)).await;
        within(&format!("the end of {:?}", String::from_utf8_lossy(begun)), assert_let_go(&server, stream))
            .await;
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_however_steadily_it_drips() {
    let server = TestServer::start().await;
    let mut stream = server.viewer().bare().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    until("it is seen", || server.server().half_open() == 1).await;
    for _ in 0..4 {
        server.api().get("/healthz").await;
        clock::pass(Duration::from_secs(3)).await;
        // It may be cut off already; then the write tells nothing.
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
        // The refusal may come before all of it is taken.
        let _ = stream.write_all(&head).await;
        let mut answer = [0; 12];
        within("an answer", stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), status);
        let _ = stream.shutdown().await;
        assert_let_go(&server, stream).await;
    }
}

#[tokio::test]
async fn what_is_no_http_at_all_is_let_go() {
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
