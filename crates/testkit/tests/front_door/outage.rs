//! Database outages. The node bridges short ones; in a long one it ends the sessions that it can no
//! longer answer for.

use std::time::Duration;

use serde_json::json;
use transom_config::NodeLimits;
use transom_testkit::fault::FaultProxy;
use transom_testkit::wait::within;
use transom_testkit::{Script, TestServer, clock, postgres};

use crate::stage::{Stage, assert_live, exchanged};

/// Longer than the node's interval of beats and its wait for the database.
const BEAT: Duration = Duration::from_secs(6);

/// A server whose PostgreSQL is behind an unreliable network.
async fn far_from_its_database(node: NodeLimits) -> (Stage, FaultProxy) {
    let url = postgres::database();
    let (login, place) = url.split_once('@').unwrap();
    let (address, name) = place.split_once('/').unwrap();
    let network = FaultProxy::start(address.parse().unwrap()).await;
    let url = format!("{login}@{}/{name}", network.address());
    let server = TestServer::setup().database(url).config(|config| config.limits.node = node);
    let server = server.start().await;
    (Stage::on(server, Script::default()).await, network)
}

/// The newest session's state and end, once the database reports this state.
async fn settled(stage: &Stage, state: &str) -> serde_json::Value {
    within("the session is settled", async {
        loop {
            let answer = stage.server.api().get("/api/v1/sessions?limit=1").await;
            if answer.status == 200 && answer.json()["items"][0]["state"] == state {
                return answer.json()["items"][0].clone();
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_short_outage_of_the_database_ends_no_session() {
    let (stage, network) = far_from_its_database(NodeLimits::default()).await;
    let (mut viewer, mut guest) = stage.session().await;
    network.stall();
    for _ in 0..3 {
        clock::pass(BEAT).await;
        assert_live(&mut viewer, &mut guest).await;
    }
}

#[tokio::test]
async fn a_long_outage_ends_the_sessions_of_a_node_and_their_pages_return() {
    let soon = NodeLimits { fence: Duration::from_secs(3), beat: BEAT / 30, ..NodeLimits::default() };
    let (stage, network) = far_from_its_database(soon).await;
    let (mut viewer, mut guest, ticket) = stage.page().await;
    assert_live(&mut viewer, &mut guest).await;
    // A real-time clock ends the session, whatever the runtime waits for.
    network.stall();
    guest.ended().await;
    let closed = within("the viewer is told", viewer.closed()).await;
    assert_eq!(closed.to_string(), "4452 Transom cannot reach its database.");

    // The node gives up on waiting operations, and later ones find the network healed.
    clock::pass(BEAT).await;
    network.heal();
    settled(&stage, "detached").await;
    assert_eq!(stage.server.api().metric("transom_fenced_total").await, 1.0);
    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let mut viewer = stage.server.viewer().ticket(&fresh).view().await;
    assert_live(&mut viewer, &mut stage.machine.guest().await).await;
}

#[tokio::test]
async fn a_session_that_ends_during_an_outage_is_recorded_afterwards() {
    let (stage, network) = far_from_its_database(NodeLimits::default()).await;
    let (mut viewer, guest) = stage.session().await;
    network.stall();
    drop(guest);
    let closed = within("the viewer is told", viewer.closed()).await;
    assert_eq!(closed.to_string(), "4433 The machine closed the connection.");
    network.heal();
    // One interval of beats.
    clock::pass(Duration::from_secs(5)).await;
    assert_eq!(settled(&stage, "ended").await["end_reason"], "instance-gone");
}
