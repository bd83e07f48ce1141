//! Connections when all slots are taken: the oldest connection of the source with the most makes
//! room for a newcomer.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_testkit::duplex::Duplex;
use transom_testkit::wait::{until, within};
use transom_testkit::{Script, TestServer};

use crate::stage::Stage;

async fn connect(server: &TestServer, source: u8) -> Box<dyn Duplex> {
    server.viewer().from([127, 0, 0, source].into()).bare().await
}

/// The whole answer to a request from this source, and the end of the connection.
async fn ask(server: &TestServer, source: u8, headers: &str) -> String {
    let mut stream = connect(server, source).await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer and a clean end", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// Reads the rest of an ended connection, which must not be reset.
async fn rest(mut stream: Box<dyn Duplex>) -> String {
    let mut rest = String::new();
    within("a clean end", stream.read_to_string(&mut rest)).await.unwrap();
    rest
}

#[tokio::test]
async fn silent_connections_make_way_for_newcomers() {
    let setup = TestServer::setup().config(|config| {
        config.limits.half_open_per_source = 4;
        config.limits.half_open = 9;
    });
    let server = setup.start().await;
    until("the calls of the set-up are over", || server.server().half_open() == 0).await;
    let mut silent = Vec::new();
    for (source, count) in [(2, 3), (3, 4), (4, 2)] {
        for _ in 0..count {
            silent.push(connect(&server, source).await);
            let held = silent.len();
            until("it is counted", || server.server().half_open() == held).await;
        }
    }
    for _ in 0..20 {
        assert!(ask(&server, 9, "").await.starts_with("HTTP/1.1 200"));
    }
    // The oldest of the four was closed. Later connections found a free slot.
    assert_eq!(rest(silent.remove(3)).await, "");
    until("the others are still there", || server.server().half_open() == 8).await;
    for mut stream in silent {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(rest(stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_source_at_its_limit_is_told_so() {
    let setup = TestServer::setup().config(|config| config.limits.half_open_per_source = 1);
    let server = setup.start().await;
    let _silent = connect(&server, 2).await;
    until("it is counted", || server.server().half_open() == 1).await;
    let told = ask(&server, 2, "").await;
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("Retry-After: 1\r\n"), "{told}");
    assert_eq!(rest(connect(&server, 2).await).await, "", "who says nothing sees a clean end");
    assert!(ask(&server, 3, "").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn http_connections_make_way_for_newcomers_and_none_is_cut_within_an_answer() {
    let setup = TestServer::setup().config(|config| config.limits.http = 3);
    let server = setup.start().await;
    let mut held = Vec::new();
    for source in [2, 3, 3] {
        let mut stream = connect(&server, source).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        within("an answer", stream.read_exact(&mut answer)).await.unwrap();
        held.push(stream);
    }
    for _ in 0..5 {
        assert!(ask(&server, 9, "").await.starts_with("HTTP/1.1 200"));
    }
    // The older of the two.
    let second = held.remove(1);
    assert!(rest(second).await.ends_with("ok\n"));
    for mut stream in held {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(rest(stream).await.contains("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_trusted_proxy_may_hold_any_number_of_idle_connections() {
    let setup = TestServer::setup().config(|config| {
        config.limits.half_open_per_source = 4;
        config.limits.half_open = 40;
        config.http.trusted_proxies = vec![IpAddr::from([127, 0, 0, 2]).into()];
    });
    let server = setup.start().await;
    until("the calls of the set-up are over", || server.server().half_open() == 0).await;
    let mut ready = Vec::new();
    for _ in 0..39 {
        ready.push(connect(&server, 2).await);
    }
    until("all are counted", || server.server().half_open() == 39).await;
    for _ in 0..9 {
        assert!(ask(&server, 2, "").await.starts_with("HTTP/1.1 200"));
    }
    // If one source holds all slots, its own connection makes room.
    ready.push(connect(&server, 2).await);
    until("all are counted", || server.server().half_open() == 40).await;
    assert!(ask(&server, 9, "").await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest(ready.remove(0)).await, "");
}

#[tokio::test]
async fn strangers_do_not_displace_a_proxys_connections() {
    let setup = TestServer::setup().config(|config| {
        config.limits.half_open = 10;
        config.http.trusted_proxies = vec![IpAddr::from([127, 0, 0, 2]).into()];
    });
    let server = setup.start().await;
    until("the calls of the set-up are over", || server.server().half_open() == 0).await;
    let mut ready = Vec::new();
    for source in [2, 2, 2, 2, 2, 3, 4, 5, 6, 7] {
        ready.push(connect(&server, source).await);
        let held = ready.len();
        until("it is counted", || server.server().half_open() == held).await;
    }
    // This source came first and holds the most.
    for _ in 0..20 {
        assert!(ask(&server, 9, "").await.starts_with("HTTP/1.1 200"));
    }
    for mut stream in ready.into_iter().take(5) {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(rest(stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn the_oldest_connection_of_the_largest_client_behind_a_proxy_makes_room() {
    let setup = TestServer::setup().config(|config| {
        config.limits.http = 5;
        config.http.trusted_proxies = vec![IpAddr::from([127, 0, 0, 2]).into()];
    });
    let server = setup.start().await;
    let mut held = Vec::new();
    for client in [1, 3, 2, 3, 3] {
        let mut stream = connect(&server, 2).await;
        // Connections that the proxy forwarded earlier do not count.
        for client in [9, client] {
            let request =
                format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.{client}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            while !answer.ends_with("ok\n") {
                answer.push(char::from(within("an answer", stream.read_u8()).await.unwrap()));
            }
        }
        held.push(stream);
    }
    // Two newcomers, one through the proxy and one beside it.
    let mut through = connect(&server, 2).await;
    let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.4\r\n\r\n";
    through.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    within("an answer", through.read_exact(&mut answer)).await.unwrap();
    assert!(ask(&server, 9, "").await.starts_with("HTTP/1.1 200"));
    let mut stay = Vec::new();
    for mut stream in held {
        let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let mut answer = String::new();
        let heard = within("an answer or the end", stream.read_to_string(&mut answer)).await;
        stay.push(asked.is_ok() && heard.is_ok() && answer.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(stay, [true, false, true, false, true], "the two oldest of the third one");
}

#[tokio::test]
async fn a_client_behind_a_proxy_has_the_share_of_a_single_client() {
    let setup = TestServer::setup().config(|config| {
        config.limits.http_per_source = 2;
        config.http.trusted_proxies = vec![IpAddr::from([127, 0, 0, 2]).into()];
    });
    let stage = Stage::on(setup.start().await, Script::default()).await;
    let server = &stage.server;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(server, 2).await;
        let head = "POST /console/exchange HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\
                    Content-Type: application/json\r\nContent-Length: 9\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let from = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    within("both are at work", async {
        while !ask(server, 2, &from("192.0.2.1")).await.starts_with("HTTP/1.1 503") {}
    })
    .await;
    assert!(ask(server, 2, &from("192.0.2.2")).await.starts_with("HTTP/1.1 200"));
    drop(slow);
    within("its share is free", async {
        while !ask(server, 2, &from("192.0.2.1")).await.starts_with("HTTP/1.1 200") {}
    })
    .await;
}
