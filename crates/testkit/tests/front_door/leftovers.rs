//! Lapsed sessions and old rows: all of them go soon, however many there are.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::timeout;
use transom_testkit::wait::{until, within};
use transom_testkit::{Script, TestServer, clock};

use crate::stage::{Stage, exchanged};

/// More rows than one round processes.
const MANY: usize = 250;
/// The time that the tests wait. It is real, because they cannot move the database's clock.
const SHORT: Duration = Duration::from_secs(1);

async fn outlived() {
    let begun = Instant::now();
    until("it is too late for all of them", || begun.elapsed() > SHORT + SHORT / 4).await;
}

#[tokio::test]
async fn many_abandoned_sessions_lapse_together() {
    let server = TestServer::setup().config(|config| {
        config.console.resume.0 = SHORT;
        config.limits.sessions_per_link = MANY;
    });
    let stage = Stage::on(server.start().await, Script::default()).await;
    let token = stage.server.console_with(&stage.id, json!({ "uses": MANY })).await.token;
    for _ in 0..MANY {
        exchanged(&stage.server, json!({ "token": token })).await;
    }
    outlived().await;
    // One of the node's beats. The next one would come too late.
    clock::pass(Duration::from_secs(5)).await;
    let lapsed = async || {
        stage.server.api().metric(r#"transom_sessions_ended_total{reason="viewer-lost"}"#).await as usize
    };
    let all = timeout(Duration::from_secs(4), async { while lapsed().await < MANY {} });
    assert!(all.await.is_ok(), "only {} ended", lapsed().await);
}

#[tokio::test]
async fn many_old_grants_are_deleted_together() {
    let server = TestServer::setup().config(|config| {
        config.retention.links.0 = Duration::ZERO;
        config.links.api.ttl.0 = SHORT;
    });
    let stage = Stage::on(server.start().await, Script::default()).await;
    let mut newest = String::new();
    for _ in 0..MANY {
        newest = stage.server.console(&stage.id).await.grant;
    }
    outlived().await;
    clock::pass(Duration::from_secs(60)).await;
    let path = format!("/api/v1/links/{newest}");
    within("the newest is forgotten too", async {
        while stage.server.api().get(&path).await.status != 404 {}
    })
    .await;
}
