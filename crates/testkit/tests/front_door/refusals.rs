//! Refused connections that stay open for a moment. Each occupies a slot until it closes, however
//! it was refused.

use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use transom_testkit::duplex::Route;
use transom_testkit::wait::{until, within};
use transom_testkit::{TestServer, clock};
use transom_tunnel::{CONTROL_PATH, UPGRADE};

/// The number of slots per source in these tests.
const SHARE: usize = 4;

/// A page of a site that may not open consoles.
const FOREIGN_PAGE: &str = "GET /websockify HTTP/1.1\r\nHost: a\r\nOrigin: https://elsewhere.example\r\n\
                            Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                            Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

async fn connect(server: &TestServer, source: u8) -> TcpStream {
    let from = Some(Ipv4Addr::new(127, 0, 0, source));
    Route { from, ..Route::plain(server.address()) }.connect_tcp().await
}

/// The status line of the answer, or an empty text if the connection ends without one.
async fn status(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = Vec::new();
    within("an answer or the end", async {
        while !line.ends_with(b"\r\n") {
            match stream.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(_) => return,
            }
        }
    })
    .await;
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

/// The answers to many connections whose clients send this request and stay.
async fn crowd(server: &TestServer, source: u8, request: &str) -> Vec<(TcpStream, String)> {
    let mut crowd = Vec::new();
    for _ in 0..3 * SHARE {
        let mut stream = connect(server, source).await;
        let answer = status(&mut stream, request).await;
        crowd.push((stream, answer));
    }
    crowd
}

fn count(crowd: &[(TcpStream, String)], answer: &str) -> usize {
    crowd.iter().filter(|(_, own)| own.starts_with(answer)).count()
}

async fn is_healthy(server: &TestServer, source: u8) -> bool {
    let request = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    status(&mut connect(server, source).await, request).await == "HTTP/1.1 200 OK"
}

#[tokio::test]
async fn a_refused_websocket_occupies_its_slot_until_it_closes() {
    let server = TestServer::setup().config(|config| config.limits.http_per_source = SHARE).start().await;
    let request = format!("{FOREIGN_PAGE}\r\n");
    // The same request after another one, on a connection that hyper serves.
    let behind = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n{request}");
    for (source, request) in [(2, &request), (3, &behind)] {
        let mut crowd = crowd(&server, source, request).await;
        if source == 3 {
            for (stream, answer) in &mut crowd {
                *answer = rest_of_first(stream, answer).await;
            }
        }
        assert_eq!(count(&crowd, "HTTP/1.1 101"), SHARE, "{source}");
        assert_eq!(count(&crowd, "HTTP/1.1 503"), 2 * SHARE, "{source}");
        assert!(is_healthy(&server, 9).await, "another source");
        drop(crowd);
        within("the places are free", async { while !is_healthy(&server, source).await {} }).await;
    }
}

/// The second answer on a connection whose first answer was for `/healthz`.
async fn rest_of_first(stream: &mut TcpStream, first: &str) -> String {
    if !first.starts_with("HTTP/1.1 200") {
        return first.to_owned();
    }
    let mut seen = Vec::new();
    within("the answer to the second", async {
        while !seen.ends_with(b"HTTP/1.1 101") && !seen.ends_with(b"HTTP/1.1 503") {
            seen.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    String::from_utf8(seen.split_off(seen.len() - 12)).unwrap()
}

#[tokio::test]
async fn refused_websockets_make_way_for_a_newcomer() {
    let server = TestServer::setup().config(|config| config.limits.http = SHARE).start().await;
    let request = format!("{FOREIGN_PAGE}\r\n");
    let crowd = crowd(&server, 2, &request).await;
    assert_eq!(count(&crowd, "HTTP/1.1 101"), 3 * SHARE, "each took the place of an earlier one");
    for _ in 0..3 * SHARE {
        assert!(is_healthy(&server, 9).await);
    }
    assert!(server.api().metric("transom_connections_shed_total").await >= (2 * SHARE) as f64);
}

#[tokio::test]
async fn a_refused_connect_occupies_its_slot_until_it_closes() {
    let setup = TestServer::setup().config(|config| config.limits.half_open_per_source = SHARE);
    let server = setup.start().await;
    for (source, request, refusal) in [
        (2, "CONNECT /nowhere HTTP/1.0\r\n\r\n", "HTTP/1.1 400 Invalid Request"),
        (3, "CONNECT /console?token=a-guess HTTP/1.0\r\n\r\n", "HTTP/1.1 401 Not Authorized"),
    ] {
        let crowd = crowd(&server, source, request).await;
        assert_eq!(count(&crowd, refusal), SHARE, "{request}");
        assert!(is_healthy(&server, 9).await, "another source");
        assert!(server.server().half_open() >= SHARE);
        drop(crowd);
        until("the places are free", || server.server().half_open() == 0).await;
    }
}

#[tokio::test]
async fn a_refused_join_occupies_its_slot_until_it_closes() {
    let setup = TestServer::setup().config(|config| config.limits.half_open_per_source = SHARE);
    let server = setup.start().await;
    // A malformed message. The refused client stays to read the reason.
    let request = format!(
        "GET {CONTROL_PATH} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n{}",
        "\u{7f}".repeat(64)
    );
    let crowd = crowd(&server, 2, &request).await;
    assert_eq!(count(&crowd, "HTTP/1.1 101"), SHARE);
    assert!(is_healthy(&server, 9).await, "another source");
    drop(crowd);
    until("the places are free", || server.server().half_open() == 0).await;
}

#[tokio::test]
async fn a_refused_websocket_behind_a_proxy_counts_for_its_client() {
    let setup = TestServer::setup().config(|config| {
        config.limits.http_per_source = SHARE;
        config.http.trusted_proxies = vec![IpAddr::from([127, 0, 0, 2]).into()];
    });
    let server = setup.start().await;
    for head in ["", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let asking = |client: &str| format!("{head}{FOREIGN_PAGE}X-Forwarded-For: {client}\r\n\r\n");
        let mut crowd = crowd(&server, 2, &asking("192.0.2.1")).await;
        for (stream, answer) in &mut crowd {
            *answer = rest_of_first(stream, answer).await;
        }
        assert_eq!(count(&crowd, "HTTP/1.1 101"), SHARE, "{head}");
        let mut other = connect(&server, 2).await;
        let first = status(&mut other, &asking("192.0.2.2")).await;
        assert!(rest_of_first(&mut other, &first).await.starts_with("HTTP/1.1 101"), "another client");
        drop((crowd, other));
        // Lingering connections are released.
        clock::pass(std::time::Duration::from_secs(4)).await;
    }
}
