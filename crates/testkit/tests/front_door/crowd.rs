//! Crowds: thousands of connections that never become requests, beside running sessions.

use std::net::Ipv4Addr;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use transom_testkit::duplex::Route;
use transom_testkit::wait::until;
use transom_testkit::{Script, TestServer};

use crate::stage::{Stage, assert_live};

const SOURCES: u8 = 25;
const EACH: usize = 200;

/// The number of the server's open sockets, towards viewers and machines. The server shares the
/// test's process, so its descriptors say less.
fn sockets(stage: &Stage) -> usize {
    let machine: u16 = stage.machine.endpoint().rsplit_once(':').unwrap().1.parse().unwrap();
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':').unwrap().1, 16).unwrap();
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    // A socket without an inode has no owner: the kernel waits for late packets.
    let open = rows.filter(|row| row[9] != "0");
    open.filter(|row| port(row[1]) == stage.server.address().port() || port(row[2]) == machine).count()
}

async fn connect(stage: &Stage, source: u8) -> TcpStream {
    let from = Some(Ipv4Addr::new(127, 0, 0, source));
    Route { from, ..Route::plain(stage.server.address()) }.connect_tcp().await
}

#[tokio::test]
async fn thousands_of_half_open_connections_disturb_no_session_and_are_all_released() {
    // The default limit of half-open connections is raised, so that none is refused.
    let setup = TestServer::setup().config(|config| config.limits.half_open = 6000);
    let stage = Stage::on(setup.start().await, Script::default()).await;
    let (mut viewer, mut guest) = stage.session().await;
    let server = stage.server.server();
    until("the calls of the set-up are over", || server.half_open() == 0).await;
    let before = (server.tasks(), sockets(&stage));

    let mut crowd = Vec::new();
    for source in 2..2 + SOURCES {
        let mut connections = join_all((0..EACH).map(|_| connect(&stage, source))).await;
        for (n, connection) in connections.iter_mut().enumerate() {
            // A third each sends nothing, part of a GET, and part of a CONNECT.
            let said = [&b""[..], b"GET /", b"CONNECT /console"][n % 3];
            connection.write_all(said).await.unwrap();
        }
        // On a slow machine, the first may have been released before the last arrive.
        until("these are counted", || server.half_open() >= EACH).await;
        crowd.extend(connections);
        assert_live(&mut viewer, &mut guest).await;
    }
    assert_eq!(stage.server.api().metric("transom_connections_shed_total").await, 0.0);
    assert_live(&mut viewer, &mut guest).await;
    // A new viewer still gets in.
    drop(stage.session().await);

    drop(crowd);
    until("all are forgotten", || server.half_open() == 0).await;
    until("no task and no socket is left", || (server.tasks(), sockets(&stage)) == before).await;
    assert_live(&mut viewer, &mut guest).await;
}

#[tokio::test]
async fn a_thousand_simultaneous_clients_need_not_reconnect() {
    let listener = transom_server::listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let route = Route::plain(listener.local_addr().unwrap());
    // The server has not accepted them yet.
    join_all((0..1000).map(|_| route.connect_tcp())).await;
}

#[tokio::test]
async fn a_source_that_uses_its_budget_up_starves_only_itself() {
    let setup = TestServer::setup().config(|config| config.limits.half_open_per_source = 8);
    let stage = Stage::on(setup.start().await, Script::default()).await;
    let crowd = join_all((0..8).map(|_| connect(&stage, 9))).await;
    until("all are counted", || stage.server.server().half_open() == 8).await;
    let mut ninth = connect(&stage, 9).await;
    let mut end = [0];
    let read = tokio::io::AsyncReadExt::read(&mut ninth, &mut end);
    assert!(matches!(transom_testkit::wait::within("its end", read).await, Ok(0) | Err(_)));
    assert_eq!(stage.server.api().metric("transom_connections_shed_total").await, 1.0);
    drop(crowd);
    until("all are forgotten", || stage.server.server().half_open() == 0).await;
    stage.server.viewer().from(Ipv4Addr::new(127, 0, 0, 9)).token(&stage.token().await).view().await;
}

#[tokio::test]
async fn many_short_sessions_leak_no_resources() {
    let stage = Stage::set().await;
    let token = stage.reusable().await;
    drop(stage.server.viewer().token(&token).view().await);
    drop(stage.machine.guest().await);
    let server = stage.server.server();
    until("the first is over", || server.tasks() == 1 && server.half_open() == 0).await;
    let before = sockets(&stage);
    for _ in 0..10 {
        let viewers = join_all((0..16).map(|_| stage.server.viewer().token(&token).view())).await;
        let guests = join_all((0..16).map(|_| stage.machine.guest())).await;
        drop((viewers, guests));
        until("all are over", || server.tasks() == 1).await;
    }
    until("no socket is left", || sockets(&stage) <= before).await;
    assert_eq!(stage.server.app().live.count(), 0);
}
