//! Nodes that others declare gone, databases whose clock jumps, and data folders that were copied.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use transom_config::NodeLimits;
use transom_testkit::fault::FaultProxy;
use transom_testkit::server::Setup;
use transom_testkit::wait::within;
use transom_testkit::{Instance, Script, TestServer, Viewer, postgres};
use transom_tunnel::{RefusalCode, Role};

use crate::field::Field;
use crate::peer::Peer;

/// The time within which a killed session ends.
const AT_ONCE: Duration = Duration::from_secs(1);
const BEAT: Duration = Duration::from_millis(100);
/// A fencing time that is never reached.
const NEVER: Duration = Duration::from_secs(3600);

/// A node that declares others gone after a second, and never fences itself.
fn quick() -> NodeLimits {
    let gone = Duration::from_secs(1);
    NodeLimits { beat: BEAT, fence: NEVER, gone, compare: BEAT * 2, ..NodeLimits::default() }
}

/// A node that declares no other node gone.
fn patient() -> NodeLimits {
    NodeLimits { gone: NEVER, ..quick() }
}

async fn database() -> String {
    tokio::task::spawn_blocking(postgres::database).await.unwrap()
}

/// Runs a statement directly in the database.
async fn run(url: &str, statement: &str) -> String {
    let (url, statement) = (url.to_owned(), statement.to_owned());
    tokio::task::spawn_blocking(move || postgres::run(&url, &statement)).await.unwrap()
}

fn on(url: String, limits: NodeLimits) -> Setup {
    TestServer::setup().database(url).config(|config| config.limits.node = limits)
}

async fn nodes_are(node: &TestServer, state: &str, count: f64) {
    let metric = format!("transom_nodes{{state=\"{state}\"}}");
    within(&format!("{count} nodes that are {state}"), async {
        while (node.api().metric(&metric).await - count).abs() > 0.1 {}
    })
    .await;
}

async fn open(field: &Field, machine: &Instance) -> Viewer {
    let id = field.server.add(machine).await;
    let token = field.server.console_with(&id, json!({ "uses": 0 })).await.token;
    field.server.viewer().token(&token).view().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_declared_gone_cuts_its_sessions_and_continues() {
    let url = database().await;
    let (login, place) = url.split_once('@').unwrap();
    let (address, name) = place.split_once('/').unwrap();
    let network = FaultProxy::start(address.parse().unwrap()).await;
    let first = Field::on(on(format!("{login}@{}/{name}", network.address()), patient())).await;
    let second = on(url.clone(), quick());
    let key = |setup: &std::path::Path| setup.join("data/master.key");
    std::fs::create_dir(second.folder().join("data")).unwrap();
    std::fs::copy(key(first.server.folder()), key(second.folder())).unwrap();
    let second = second.start_bare().await;
    nodes_are(&second, "live", 2.0).await;

    let machine = Instance::start(Script::default()).await;
    let mut viewer = open(&first, &machine).await;
    let mut guest = machine.guest().await;
    let (own, desk) = (first.listener().await, first.connector().await);
    let mut device = first.device(&own).await;
    let mut connector = first.join(&desk, Role::Connector).await.unwrap();

    network.stall();
    nodes_are(&second, "gone", 1.0).await;
    // The node does not know yet and continues. Then its beat gets through.
    network.heal();
    let closed = within("the viewer is told", viewer.closed()).await;
    assert_eq!(closed.to_string(), "4452 Transom cannot reach its database.");
    guest.ended().await;
    for peer in [&mut device, &mut connector] {
        assert_eq!(
            within("it is sent away", peer.sent_away()).await.code,
            RefusalCode::CloudConnectivityError
        );
    }
    nodes_are(&second, "live", 2.0).await;
    assert_eq!(first.server.api().metric("transom_fenced_total").await, 1.0);
    assert_eq!(run(&url, "SELECT max(incarnation) FROM nodes").await, "2");
    // In its new life it carries new sessions.
    let mut again = open(&first, &machine).await;
    let _guest = machine.guest().await;
    let _device = within("it joins again", async {
        loop {
            if let Ok(joined) = first.join(&own, Role::Agent).await {
                return joined;
            }
        }
    })
    .await;
    let session = first.server.api().newest_session().await;
    assert_eq!(session["state"], "live");
    let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    first.server.api().delete(&path).await.done();
    let closed = timeout(AT_ONCE, again.closed()).await.expect("within a second");
    assert_eq!(closed.code, Some(4409));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jumping_clock_ends_no_session_and_a_killed_session_still_ends() {
    let url = database().await;
    let setup = on(url.clone(), quick());
    let first = Field::on(setup.clone()).await;
    let second = setup.another_node().start_bare().await;
    nodes_are(&second, "live", 2.0).await;
    let machine = Instance::start(Script::default()).await;
    let mut viewer = open(&first, &machine).await;
    let _guest = machine.guest().await;
    let own = first.listener().await;
    let _device = first.device(&own).await;
    run(
        &url,
        "CREATE OR REPLACE VIEW clock (now) AS \
         SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 75000000",
    )
    .await;
    // Every node has beaten, checked and swept several times since.
    let beats = async || run(&url, "SELECT min(beat) FROM nodes").await.parse::<i64>().unwrap();
    let before = beats().await;
    within("the nodes beat", async { while beats().await < before + 5 {} }).await;
    assert_eq!(run(&url, "SELECT count(*) FROM nodes WHERE state = 'live'").await, "2");
    let session = first.server.api().newest_session().await;
    assert_eq!(session["state"], "live");
    let address = first.server.api().get(&format!("/api/v1/addresses/{}", own.name)).await.done();
    assert_eq!(address["online"], true);
    let path = format!("/api/v1/sessions/{}", session["id"].as_str().unwrap());
    first.server.api().delete(&path).await.done();
    let closed = timeout(AT_ONCE, viewer.closed()).await.expect("within a second");
    assert_eq!(closed.code, Some(4409));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_ends_sessions_that_the_database_no_longer_knows() {
    let url = database().await;
    let field = Field::on(on(url.clone(), quick())).await;
    let machine = Instance::start(Script::default()).await;
    let mut viewer = open(&field, &machine).await;
    let _guest = machine.guest().await;
    let own = field.listener().await;
    let mut device = field.device(&own).await;
    // The state of a database that was restored from a backup.
    run(&url, "UPDATE sessions SET state = 'ended', end_reason = 'session-idle', lapses_at = NULL").await;
    let closed = within("the viewer is told", viewer.closed()).await;
    assert_eq!(closed.code, Some(4413));
    run(&url, "UPDATE cloud_addresses SET node_id = NULL").await;
    let told = within("the device is told", device.sent_away()).await;
    assert_eq!(told.code, RefusalCode::CloudConnectivityError);
    let _back = Peer::join(field.server.address(), &own, Role::Agent).await.expect("it joins again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_data_folder_is_a_different_node() {
    let url = database().await;
    let setup = on(url.clone(), quick());
    let first = Field::on(setup.clone()).await;
    let copy = setup.another_node();
    let node = |folder: &std::path::Path| folder.join("data/node");
    for file in ["node", "lock"] {
        let of = |folder: &std::path::Path| folder.join("data").join(file);
        std::fs::copy(of(first.server.folder()), of(copy.folder())).unwrap();
    }
    let second = copy.start_bare().await;
    nodes_are(&second, "live", 2.0).await;
    let id = |server: &TestServer| std::fs::read_to_string(node(server.folder())).unwrap();
    let (own, others) = (id(&first.server), id(&second));
    assert_ne!(own, others, "what it is called now is kept");
    assert_eq!(first.server.api().metric("transom_fenced_total").await, 0.0);
    // Each node is found by its own id.
    let second = second.restart().await;
    nodes_are(&second, "live", 2.0).await;
    assert_eq!((id(&first.server), id(&second)), (own, others));
}
