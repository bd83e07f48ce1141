//! Log lines that strangers can cause: a few per source, however often it comes, at every door.

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use transom_server::RepeaterKind;
use transom_testkit::api::config;
use transom_testkit::fault::FaultProxy;
use transom_testkit::log::Log;
use transom_testkit::wait::within;
use transom_testkit::{Script, TestServer, api, log, postgres};
use transom_tunnel::{CONTROL_PATH, UPGRADE};

use crate::stage::{Stage, exchanged};

/// The number of visits of each stranger.
const OFTEN: usize = 40;
/// The number of lines that it may cause. Five refusals a minute are logged, some of them both by
/// the verifier of the proof and by the door.
const FEW: usize = 8;

/// The number of lines at the default levels.
fn lines(log: &Log) -> usize {
    let told = |line: &&str| [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level));
    log.text().lines().filter(told).count()
}

/// Sends this from an address of this machine and reads the whole response.
async fn say(source: u8, to: std::net::SocketAddr, words: &[u8]) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, source], 0).into()).unwrap();
    let mut stream = within("a connection", socket.connect(to)).await.unwrap();
    stream.write_all(words).await.unwrap();
    // Half-closes the connection, so the server does not wait for more. A call has a length, and
    // the server may drop one whose connection closes before it has answered.
    if !words.starts_with(b"POST") {
        let _ = stream.shutdown().await;
    }
    let _ = within("the end", stream.read_to_end(&mut Vec::new())).await;
}

fn introduction(id: &str) -> Vec<u8> {
    let mut bytes = format!("ID:{id}").into_bytes();
    bytes.resize(250, 0);
    bytes
}

#[tokio::test]
async fn a_stranger_writes_a_few_lines_a_minute_at_any_door() {
    let log = log::capture();
    let repeater = "[repeater]\ndevices = \"127.0.0.1:0\"\nviewers = \"127.0.0.1:0\"\nwrong_tickets_per_minute_in_all = 10";
    let setup = TestServer::setup().config(|own| own.repeater = config(repeater).repeater);
    let stage = Stage::on(setup.start().await, Script::default()).await;
    let server = &stage.server;
    let spent = stage.token().await;
    exchanged(server, json!({ "token": spent })).await;
    let websocket = |token: &str, more: &str| {
        format!(
            "GET /websockify?token={token} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n"
        )
        .into_bytes()
    };
    let exchange = |token: &str| {
        let body = json!({ "token": token }).to_string();
        format!(
            "POST /console/exchange HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let join = format!(
        "GET {CONTROL_PATH} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n{}",
        "\u{7f}".repeat(64)
    );
    let plain = |head: &str| format!("{head}Connection: close\r\nContent-Length: 0\r\n\r\n").into_bytes();
    let doors = [server.address(); 8].into_iter().zip([
        ("a CONNECT with a guess", b"CONNECT /console?token=a-guess HTTP/1.0\r\n\r\n".to_vec()),
        ("a CONNECT with a spent link", format!("CONNECT /console?token={spent} HTTP/1.0\r\n\r\n").into()),
        ("an exchange of a spent link", exchange(&spent)),
        ("a page with a spent link", websocket(&spent, &format!("Origin: {}\r\n", server.origin()))),
        ("a program with a spent link", websocket(&spent, "")),
        ("a page of another site", websocket(&spent, "Origin: https://elsewhere.example\r\n")),
        ("what is no join", join.into_bytes()),
        ("a call without a signature", plain("POST /api/v2/zec HTTP/1.1\r\nHost: a\r\n")),
    ]);
    let repeater = |kind| server.server().repeater(kind).unwrap();
    let doors = doors.map(|(to, (what, words))| (to, what, words)).chain([
        (repeater(RepeaterKind::Devices), "a device's wrong number", introduction("500000000")),
        (repeater(RepeaterKind::Viewers), "a viewer's wrong number", introduction("500000000")),
    ]);
    for (source, (to, what, words)) in (10..).zip(doors) {
        let before = lines(&log);
        for _ in 0..OFTEN {
            say(source, to, &words).await;
        }
        let told = lines(&log) - before;
        assert!((1..=FEW).contains(&told), "{what}: {told} lines\n{}", log.text());
    }
}

#[tokio::test]
async fn while_the_database_is_away_callers_write_a_few_lines_all_together() {
    let log = log::capture();
    let url = postgres::database();
    let (login, place) = url.split_once('@').unwrap();
    let (address, name) = place.split_once('/').unwrap();
    let network = FaultProxy::start(address.parse().unwrap()).await;
    let url = format!("{login}@{}/{name}", network.address());
    let stage = Stage::on(TestServer::setup().database(url).start().await, Script::default()).await;
    network.stall();
    let before = log.text().matches("the store is unavailable").count();
    let mut callers = JoinSet::new();
    for n in 0..3 * OFTEN {
        let api = stage.server.api().with_bearer(&format!("a guess {n}"));
        callers.spawn(async move {
            let path = ["/api/v1/projects", "/v2.1/servers"][n % 2];
            let call = api.request(Method::GET, path).header("x-auth-token", format!("a guess {n}"));
            api::send(call).await.status
        });
    }
    let statuses = callers.join_all().await;
    assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
    let told = log.text().matches("the store is unavailable").count() - before;
    assert!((1..=OFTEN).contains(&told), "{told} lines for {} calls", statuses.len());
}
