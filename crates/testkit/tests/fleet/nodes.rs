//! Several nodes on one PostgreSQL. Two agents with one address compete, and the server tells the
//! loser.

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;
use transom_testkit::TestServer;
use transom_testkit::api::text;
use transom_tunnel::{Refusal, RefusalCode, Role};

use crate::field::{Address, Field};
use crate::peer::Peer;

/// The time within which a change at one node takes effect at the others.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A node and another one on the same database.
async fn nodes() -> (Field, TestServer) {
    let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    let setup = TestServer::setup().database(postgres);
    let first = Field::on(setup.clone()).await;
    let second = setup.another_node().start_bare().await;
    (first, second)
}

async fn join(node: &TestServer, own: &Address, role: Role) -> Peer {
    Peer::join(node.address(), own, role).await.expect("it joins")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_join_wins_on_any_node_and_the_old_agent_is_told() {
    let (first, second) = nodes().await;
    let (own, desk) = (first.listener().await, first.connector().await);
    let asked = async |node: &TestServer| {
        let mut viewer = join(node, &desk, Role::Connector).await;
        viewer.ask_for(&own.name).await.map(drop).map_err(|refusal| refusal.code)
    };
    let mut old = first.device(&own).await;
    assert_eq!(asked(&first.server).await, Ok(()));
    let mut new = join(&second, &own, Role::Agent).await;
    // The change applies from this moment, even if the node has not heard of it.
    assert_eq!(asked(&first.server).await, Err(RefusalCode::CloudTargetNotFound));
    let told = timeout(AT_ONCE, old.sent_away()).await.expect("within a second");
    assert_eq!(told, Refusal::from(RefusalCode::Superseded));
    drop(old);
    // The end of the old agent does not affect the new one.
    assert_eq!(asked(&second).await, Ok(()));
    // The agent moves back to the first node.
    let _newest = first.device(&own).await;
    let told = timeout(AT_ONCE, new.sent_away()).await.expect("within a second");
    assert_eq!(told.code, RefusalCode::Superseded);
    assert_eq!(asked(&second).await, Err(RefusalCode::CloudTargetNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_connector_keeps_waiting_while_the_joined_device_has_an_old_password() {
    let (first, second) = nodes().await;
    let (own, desk) = (first.listener().await, first.connector().await);
    let mut old = first.device(&own).await;
    let mut viewer = first.join(&desk, Role::Connector).await.unwrap();
    // The reset happens at the other node. This node has not checked yet when it is asked.
    let api = second.api().with_key(&first.key);
    let reset = api.post(&format!("/cloud/1.1/static-address/{}", own.name), Value::Null).await.done();
    viewer.asks(&own.name, true).await;
    let told = timeout(AT_ONCE, old.sent_away()).await.expect("within a second");
    assert_eq!(told.code, RefusalCode::CloudAuthenticationFailed);
    let renewed = Address { name: own.name.clone(), password: text(&reset, "cloudPassword") };
    let _new = first.device(&renewed).await;
    assert_eq!(viewer.is_told().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_concurrently_joining_agents_stays_and_the_others_are_told() {
    const RACERS: usize = 6;
    let (first, second) = nodes().await;
    for _ in 0..10 {
        let own = first.listener().await;
        let mut racers = JoinSet::new();
        for n in 0..RACERS {
            let (node, own) = ([first.server.address(), second.address()][n % 2], own.clone());
            racers.spawn(async move { Peer::join(node, &own, Role::Agent).await });
        }
        // An agent that loses the race while it joins is told at once.
        let joined = racers.join_all().await.into_iter().filter_map(Result::ok);
        let mut staying = JoinSet::new();
        for mut peer in joined {
            staying.spawn(async move { peer.sent_away().await.code });
        }
        while staying.len() > 1 {
            let told = timeout(2 * AT_ONCE, staying.join_next()).await.expect("in time").unwrap();
            assert_eq!(told.unwrap(), RefusalCode::Superseded);
        }
        assert!(staying.try_join_next().is_none(), "one stays");
        assert_eq!(staying.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_moves_to_another_node_is_shown_there_only() {
    const FLEET: usize = 40;
    let (first, second) = nodes().await;
    let mut addresses = Vec::new();
    for _ in 0..FLEET {
        addresses.push(first.listener().await);
    }
    let mut old = JoinSet::new();
    for own in &addresses {
        let mut device = first.device(own).await;
        old.spawn(async move { device.sent_away().await.code });
    }
    let mut moving = JoinSet::new();
    for own in addresses {
        let node = second.address();
        moving.spawn(async move { Peer::join(node, &own, Role::Agent).await.expect("it joins") });
    }
    let moved = moving.join_all().await;
    let told = timeout(AT_ONCE, old.join_all()).await.expect("within a second");
    assert_eq!(told, [RefusalCode::Superseded; FLEET]);
    assert_eq!((first.server.app().devices.joined.count(), second.app().devices.joined.count()), (0, FLEET));
    drop(moved);
}
