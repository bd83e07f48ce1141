//! Devices that leave while the database is away. They are offline afterwards.

use std::time::Duration;

use tokio::time::timeout;
use transom_testkit::fault::FaultProxy;
use transom_testkit::postgres::{self, Own};
use transom_testkit::wait::{until, within};
use transom_testkit::{TestServer, clock};

use crate::field::{Address, Field};

/// A deadline for owed records: the node writes them at each of its beats, once PostgreSQL is back.
const SOON: Duration = Duration::from_secs(15);
/// The interval of beats.
const BEAT: Duration = Duration::from_secs(5);
/// The deadline of a database operation.
const OPERATION: Duration = Duration::from_secs(6);

async fn is_online(field: &Field, address: &Address) -> Option<bool> {
    let answer = field.server.api().get(&format!("/api/v1/addresses/{}", address.name)).await;
    (answer.status == 200).then(|| answer.json()["online"] == true)
}

async fn goes_offline(field: &Field, address: &Address) {
    let offline = async { while is_online(field, address).await != Some(false) {} };
    timeout(SOON, offline).await.expect("it is offline in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_leaves_while_postgresql_is_down_is_offline_afterwards() {
    let postgres = tokio::task::spawn_blocking(Own::start).await.unwrap();
    let field = Field::on(TestServer::setup().database(postgres.url())).await;
    let (going, coming_back) = (field.listener().await, field.listener().await);
    let (first, second) = (field.device(&going).await, field.device(&coming_back).await);
    let postgres = tokio::task::spawn_blocking(move || {
        postgres.stop();
        postgres
    })
    .await
    .unwrap();
    drop((first, second));
    until("the node has noticed", || field.server.app().devices.joined.count() == 0).await;
    let _postgres = tokio::task::spawn_blocking(move || {
        postgres.start_again();
        postgres
    })
    .await
    .unwrap();
    // A device returns before its earlier departure is recorded. The record does not affect the new
    // connection.
    let _back = within("it joins again", async {
        loop {
            if let Ok(joined) = field.join(&coming_back, transom_tunnel::Role::Agent).await {
                return joined;
            }
        }
    })
    .await;
    goes_offline(&field, &going).await;
    assert_eq!(is_online(&field, &coming_back).await, Some(true));
}

/// A node whose PostgreSQL is behind an unreliable network, and the database's direct URL.
async fn far_from_its_database() -> (Field, FaultProxy, String) {
    let direct = postgres::database();
    let (login, place) = direct.split_once('@').unwrap();
    let (address, name) = place.split_once('/').unwrap();
    let network = FaultProxy::start(address.parse().unwrap()).await;
    let url = format!("{login}@{}/{name}", network.address());
    (Field::on(TestServer::setup().database(url)).await, network, direct)
}

#[tokio::test]
async fn a_device_that_leaves_while_the_database_is_slow_is_offline_afterwards() {
    let (field, network, _) = far_from_its_database().await;
    let address = field.listener().await;
    let device = field.device(&address).await;
    network.stall();
    drop(device);
    until("the node has noticed", || field.server.app().devices.joined.count() == 0).await;
    // The node gives up on recording the departure.
    clock::pass(OPERATION).await;
    network.heal();
    clock::pass(BEAT).await;
    goes_offline(&field, &address).await;
}

#[tokio::test]
async fn a_join_with_a_lost_response_leaves_no_device_online() {
    let (field, network, direct) = far_from_its_database().await;
    let address = field.listener().await;
    drop(field.device(&address).await);
    goes_offline(&field, &address).await;
    // A transaction that committed although its response was lost.
    postgres::run(&direct, "UPDATE cloud_addresses SET epoch = epoch + 1, node_id = (SELECT id FROM nodes)");
    assert_eq!(is_online(&field, &address).await, Some(true));
    network.stall();
    clock::pass(BEAT).await;
    clock::pass(OPERATION).await;
    network.heal();
    clock::pass(BEAT).await;
    goes_offline(&field, &address).await;
}
