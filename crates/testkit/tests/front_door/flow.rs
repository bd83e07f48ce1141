//! Flow control: pings, half-closed connections, back-pressure.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use transom_server::Tls;
use transom_testkit::{FaultProxy, Guest, Instance, Script, TestServer, Viewer, clock};

use crate::one_port::trust;
use crate::stage::{Stage, assert_live, key};

/// More than all socket buffers between the machine and a viewer can hold.
const FLOOD: u64 = 256 * 1024 * 1024;
/// The capacity of those buffers: 6 MiB to receive and 4 MiB to send for each of two connections,
/// as Linux grows them.
const BUFFERS: u64 = 32 * 1024 * 1024;

#[tokio::test]
async fn an_idle_viewer_is_pinged_and_stays() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    assert_live(&mut viewer, &mut guest).await;
    for _ in 0..9 {
        clock::pass(Duration::from_secs(21)).await;
        viewer.pinged().await.unwrap();
    }
    assert_live(&mut viewer, &mut guest).await;
}

#[tokio::test]
async fn viewers_that_connected_together_are_not_pinged_together() {
    let stage = Stage::set().await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(stage.session().await);
    }
    let (mut before, mut busiest) = (0, 0);
    for _ in 0..10 {
        clock::pass(Duration::from_secs(1)).await;
        let mut pings = 0;
        for (viewer, guest) in &mut sessions {
            assert_live(viewer, guest).await;
            pings += viewer.pings();
        }
        busiest = busiest.max(pings - before);
        before = pings;
    }
    assert!(before >= 19, "{before} pings of twenty in ten seconds");
    assert!(busiest <= 6, "{busiest} of twenty were pinged in one second");
}

#[tokio::test]
async fn a_viewer_on_a_silent_network_is_given_up_and_may_return() {
    let stage = Stage::set().await;
    let network = FaultProxy::start(stage.server.address()).await;
    let ticket = stage.ticket().await;
    let viewer = stage.server.viewer().via(network.address()).ticket(&ticket).view().await;
    let mut guest = stage.machine.guest().await;
    network.stall();
    for _ in 0..4 {
        clock::pass(Duration::from_secs(21)).await;
    }
    guest.ended().await;
    drop(viewer);
    let fresh = crate::stage::exchanged(&stage.server, serde_json::json!({ "ticket": ticket })).await;
    let mut viewer = stage.server.viewer().ticket(&fresh).view().await;
    assert_live(&mut viewer, &mut stage.machine.guest().await).await;
}

#[tokio::test]
async fn a_raw_viewer_that_closes_its_half_still_receives_the_machines_output() {
    let stage = Stage::set().await;
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    viewer.greet().await.unwrap();
    let mut guest = stage.machine.guest().await;
    viewer.send(&key(b'a')).await.unwrap();
    viewer.finish().await.unwrap();
    assert_eq!(guest.ended().await, key(b'a'), "the instance is told that no more comes");
    guest.send(&[1; 50_000]);
    assert_eq!(viewer.take(50_000).await.unwrap(), [1; 50_000]);
    guest.finish();
    assert_eq!(viewer.closed().await.code, None);
    assert_eq!(stage.end_reason().await, "viewer-closed", "the machine only followed");
}

#[tokio::test]
async fn over_tls_a_raw_viewer_may_close_its_half_too() {
    let server = TestServer::setup().tls(Tls::SelfSigned).start().await;
    let stage = Stage::on(server, Script::default()).await;
    let trust = trust(stage.server.server().ca().unwrap());
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer = stage.server.viewer().tls(trust).path(&path).connect().await.unwrap();
    viewer.greet().await.unwrap();
    let mut guest = stage.machine.guest().await;
    viewer.send(&key(b'a')).await.unwrap();
    viewer.finish().await.unwrap();
    assert_eq!(guest.ended().await, key(b'a'), "the instance is told that no more comes");
    guest.send(&[1; 50_000]);
    assert_eq!(viewer.take(50_000).await.unwrap(), [1; 50_000]);
    guest.finish();
    assert_eq!(viewer.closed().await.code, None);
}

#[tokio::test]
async fn a_raw_viewer_that_closed_its_half_is_released_when_no_more_data_arrives() {
    let stage = Stage::set().await;
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    viewer.greet().await.unwrap();
    let mut guest = stage.machine.guest().await;
    viewer.finish().await.unwrap();
    guest.ended().await;
    clock::pass(Duration::from_secs(6)).await;
    assert_eq!(viewer.closed().await.code, None);
    assert_eq!(stage.end_reason().await, "viewer-closed");
}

#[tokio::test]
async fn a_half_closed_websocket_is_a_lost_viewer() {
    let stage = Stage::set().await;
    let network = FaultProxy::start(stage.server.address()).await;
    let token = stage.token().await;
    let mut viewer = stage.server.viewer().via(network.address()).token(&token).view().await;
    let mut guest = stage.machine.guest().await;
    network.half_close();
    assert_eq!(viewer.closed().await.to_string(), "4441 The connection to the viewer was lost.");
    guest.ended().await;
}

#[tokio::test]
async fn a_viewer_that_stops_reading_stops_the_machine_without_losing_data() {
    let stage = Stage::set().await;
    let (mut viewer, guest) = stage.session().await;
    guest.flood(FLOOD);
    let held = guest.stalled().await;
    assert!(held < BUFFERS, "{held} bytes went somewhere");
    let mut next = 0_u64;
    while next < 2 * BUFFERS {
        let bytes = viewer.take(1024 * 1024).await.unwrap();
        let expected = (next..).map(|n| (n % 251) as u8);
        assert!(bytes.iter().copied().eq(expected.take(bytes.len())), "after {next} bytes");
        next += bytes.len() as u64;
    }
}

#[tokio::test]
async fn bulk_data_reaches_a_raw_viewer_complete_and_in_order() {
    let stage = Stage::set().await;
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    viewer.greet().await.unwrap();
    let guest = stage.machine.guest().await;
    guest.flood(FLOOD);
    let bytes = viewer.take(16 * 1024 * 1024).await.unwrap();
    let expected = (0_u64..).map(|n| (n % 251) as u8);
    assert!(bytes.iter().copied().eq(expected.take(bytes.len())));
}

#[tokio::test]
async fn a_viewer_that_reads_nothing_for_long_is_told_that_it_is_too_slow() {
    let stage = Stage::set().await;
    let (viewer, mut guest) = stage.session().await;
    guest.flood(FLOOD);
    guest.stalled().await;
    for _ in 0..4 {
        clock::pass(Duration::from_secs(21)).await;
    }
    guest.ended().await;
    assert_eq!(stage.end_reason().await, "viewer-too-slow");
    drop(viewer);
}

/// Asserts that a viewer which reads 8 KB/s for more than five minutes still has its session.
async fn assert_kept(stage: &Stage, mut viewer: Viewer, guest: Guest) {
    guest.flood(FLOOD);
    guest.stalled().await;
    for second in (0..320).step_by(8) {
        viewer.skip_below(8 * 8 * 1024).await.unwrap_or_else(|error| panic!("after {second} s: {error}"));
        // By then the server has noticed the free space.
        stage.server.api().get("/healthz").await;
        clock::pass(Duration::from_secs(8)).await;
    }
    stage.server.api().get("/healthz").await;
    assert_eq!(stage.server.app().live.count(), 1);
}

#[tokio::test]
async fn a_foreign_viewer_on_a_slow_line_stays_connected() {
    let stage = Stage::set().await;
    let (viewer, guest) = stage.session().await;
    assert_kept(&stage, viewer, guest).await;
}

#[tokio::test]
async fn a_page_on_a_slow_line_stays_connected() {
    let stage = Stage::set().await;
    let viewer = stage.server.viewer().page(&stage.ticket().await).view().await;
    let guest = stage.machine.guest().await;
    assert_kept(&stage, viewer, guest).await;
}

#[tokio::test]
async fn a_raw_viewer_on_a_slow_line_stays_connected() {
    let stage = Stage::set().await;
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    viewer.greet().await.unwrap();
    let guest = stage.machine.guest().await;
    assert_kept(&stage, viewer, guest).await;
}

#[tokio::test]
async fn a_viewer_that_types_but_reads_nothing_is_too_slow() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    guest.flood(FLOOD);
    guest.stalled().await;
    for _ in 0..4 {
        viewer.send(&key(b'c')).await.unwrap();
        assert_eq!(guest.take(8).await, key(b'c'));
        clock::pass(Duration::from_secs(21)).await;
    }
    guest.ended().await;
    assert_eq!(stage.end_reason().await, "viewer-too-slow");
}

#[tokio::test]
async fn a_raw_viewer_over_tls_that_reads_nothing_is_too_slow() {
    let stage = Stage::on(TestServer::setup().tls(Tls::SelfSigned).start().await, Script::default()).await;
    let trust = trust(stage.server.server().ca().unwrap());
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer = stage.server.viewer().tls(trust).path(&path).connect().await.unwrap();
    viewer.greet().await.unwrap();
    let mut guest = stage.machine.guest().await;
    guest.flood(FLOOD);
    guest.stalled().await;
    for _ in 0..5 {
        clock::pass(Duration::from_secs(21)).await;
        stage.server.api().get("/healthz").await;
    }
    guest.ended().await;
    assert_eq!(stage.end_reason().await, "viewer-too-slow");
}

#[tokio::test]
async fn an_instance_that_accepts_no_input_is_blamed_rather_than_its_viewer() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let way = FaultProxy::start(machine.endpoint().trim_start_matches("vnc://").parse().unwrap()).await;
    let endpoint = format!("vnc://{}", way.address());
    let id = server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
    let mut viewer = server.viewer().token(&server.console(&id).await.token).view().await;
    let mut guest = machine.guest().await;
    assert_live(&mut viewer, &mut guest).await;
    way.stall();
    let typed = key(b'x').repeat(8192);
    // When the instance stops reading, no more can be sent.
    while timeout(Duration::from_millis(500), viewer.send(&typed)).await.is_ok() {}
    for _ in 0..5 {
        clock::pass(Duration::from_secs(21)).await;
        server.api().get("/healthz").await;
    }
    let stage = Stage { server, machine, id };
    assert_eq!(stage.end_reason().await, "instance-silent");
}

#[tokio::test]
async fn input_passes_while_pixels_are_delayed() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    guest.flood(FLOOD);
    guest.stalled().await;
    viewer.send(&key(b'c')).await.unwrap();
    assert_eq!(guest.take(8).await, key(b'c'));
}
