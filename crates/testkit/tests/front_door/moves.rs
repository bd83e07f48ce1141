//! Instances that get a new endpoint: no viewer continues to see the old machine.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use transom_testkit::{Instance, Script, Step, TestServer, Viewer, postgres};

use crate::stage::{Stage, assert_live, exchanged};

/// The design's promise for a new endpoint.
const PROMPT: Duration = Duration::from_secs(1);
const CHANGED: &str = "4419 This console now leads to a different machine.";
const MOVED: &str = "4418 The machine behind this console was moved.";

async fn prompt_end(viewer: &mut Viewer) -> String {
    timeout(PROMPT, viewer.closed()).await.expect("a session ends within a second").to_string()
}

/// A stage on each database. On PostgreSQL, the operator calls a second node.
async fn stages(script: Script) -> Vec<(Stage, Option<TestServer>)> {
    let sqlite = Stage::on(TestServer::start().await, script.clone()).await;
    let setup = TestServer::setup().database(postgres::database());
    let shared = Stage::on(setup.clone().start().await, script).await;
    let other = setup.another_node().resume().await;
    vec![(sqlite, None), (shared, Some(other))]
}

async fn change(stage: &Stage, other: Option<&TestServer>, body: Value) {
    let server = other.unwrap_or(&stage.server);
    server.api().patch(&stage.server.instance_path(&stage.id), body).await.done();
}

#[tokio::test]
async fn a_new_endpoint_ends_every_session_on_the_old_machine() {
    for (stage, other) in stages(Script::default()).await {
        let (mut page, mut page_guest, ticket) = stage.page().await;
        let (mut viewer, mut guest) = stage.session().await;
        let path = format!("/console?token={}", stage.reusable().await);
        let mut raw = stage.server.viewer().path(&path).connect().await.unwrap();
        raw.greet().await.unwrap();
        let mut raw_guest = stage.machine.guest().await;
        let new = Instance::start(Script::default()).await;
        change(&stage, other.as_ref(), json!({ "endpoint": new.endpoint() })).await;
        assert_eq!(prompt_end(&mut page).await, CHANGED);
        assert_eq!(prompt_end(&mut viewer).await, CHANGED);
        assert_eq!(prompt_end(&mut raw).await, "the stream ended without a word");
        for guest in [&mut page_guest, &mut guest, &mut raw_guest] {
            guest.ended().await;
        }
        let answer = stage.server.api().exchange(json!({ "ticket": ticket })).await;
        assert_eq!(
            answer.to_string(),
            "403 endpoint-changed: This console now leads to a different machine."
        );
        assert_eq!(new.arrived(), 0, "nobody is led there unasked");
        let mut viewer = stage.server.viewer().token(&stage.token().await).view().await;
        assert_live(&mut viewer, &mut new.guest().await).await;
    }
}

#[tokio::test]
async fn a_page_reconnects_at_the_new_endpoint_of_its_moved_machine() {
    for (stage, other) in stages(Script::default()).await {
        let (mut page, mut guest, ticket) = stage.page().await;
        let session = stage.server.api().newest_session().await["id"].clone();
        let new = Instance::start(Script::default()).await;
        change(&stage, other.as_ref(), json!({ "endpoint": new.endpoint(), "moved": true })).await;
        assert_eq!(prompt_end(&mut page).await, MOVED);
        guest.ended().await;
        let ticket = exchanged(&stage.server, json!({ "ticket": ticket })).await;
        let mut page = stage.server.viewer().ticket(&ticket).view().await;
        let mut guest = new.guest().await;
        assert_live(&mut page, &mut guest).await;
        assert_eq!(stage.server.api().newest_session().await["id"], session, "it is the same session");

        // The session leads to the new endpoint now, so only another move affects it.
        let third = Instance::start(Script::default()).await;
        change(&stage, other.as_ref(), json!({ "endpoint": third.endpoint() })).await;
        assert_eq!(prompt_end(&mut page).await, CHANGED);
    }
}

#[tokio::test]
async fn a_session_that_cannot_resume_ends_when_its_machine_is_moved() {
    for (stage, other) in stages(Script::default()).await {
        for token in [stage.token().await, stage.reusable().await] {
            let mut viewer = stage.server.viewer().token(&token).view().await;
            let _guest = stage.machine.guest().await;
            let new = Instance::start(Script::default()).await;
            change(&stage, other.as_ref(), json!({ "endpoint": new.endpoint(), "moved": true })).await;
            assert_eq!(prompt_end(&mut viewer).await, MOVED);
            assert_eq!(stage.end_reason().await, "instance-moved");
            let old = json!({ "endpoint": stage.machine.endpoint(), "moved": true });
            change(&stage, other.as_ref(), old).await;
        }
    }
}

#[tokio::test]
async fn a_waiting_session_ends_when_its_endpoint_changes() {
    for (stage, other) in stages(Script::default()).await {
        let (page, mut guest, ticket) = stage.page().await;
        drop(page);
        guest.ended().await;
        let open = async || stage.server.api().newest_session().await["state"].clone();
        transom_testkit::wait::within("it waits", async { while open().await != "detached" {} }).await;
        let new = Instance::start(Script::default()).await;
        change(&stage, other.as_ref(), json!({ "endpoint": new.endpoint() })).await;
        let session = stage.server.api().newest_session().await;
        assert_eq!(
            (&session["state"], &session["end_reason"]),
            (&json!("ended"), &json!("endpoint-changed"))
        );
        let answer = stage.server.api().exchange(json!({ "ticket": ticket })).await;
        assert_eq!(answer.status, 403);
    }
}

#[tokio::test]
async fn a_dial_during_the_change_never_shows_the_old_machine() {
    for (stage, other) in stages(Script::default().holds(Step::Init)).await {
        let new = Instance::start(Script::default()).await;
        let mut viewer = stage.server.viewer().token(&stage.token().await).open().await.unwrap();
        stage.machine.held().await;
        let ticket = stage.ticket().await;
        let mut page = stage.server.viewer().ticket(&ticket).open().await.unwrap();
        stage.machine.held().await;
        change(&stage, other.as_ref(), json!({ "endpoint": new.endpoint(), "moved": true })).await;
        stage.machine.release();
        stage.machine.release();
        assert_eq!(prompt_end(&mut viewer).await, MOVED);
        assert_eq!(prompt_end(&mut page).await, MOVED);
        let ticket = exchanged(&stage.server, json!({ "ticket": ticket })).await;
        let mut page = stage.server.viewer().ticket(&ticket).view().await;
        assert_live(&mut page, &mut new.guest().await).await;
    }
}

#[tokio::test]
async fn a_change_to_the_same_endpoint_ends_no_session() {
    for (stage, other) in stages(Script::default()).await {
        let (mut viewer, mut guest) = stage.session().await;
        for body in [
            json!({ "endpoint": stage.machine.endpoint() }),
            json!({ "endpoint": stage.machine.endpoint(), "moved": true }),
            json!({ "name": "other", "password": "secret", "fingerprint": "ab".repeat(32) }),
            json!({ "password": "", "fingerprint": "" }),
        ] {
            change(&stage, other.as_ref(), body).await;
            assert_live(&mut viewer, &mut guest).await;
        }
        let alone = json!({ "moved": true });
        let answer = stage.server.api().patch(&stage.server.instance_path(&stage.id), alone).await;
        assert_eq!(
            answer.to_string(),
            "400 invalid: moved: requires endpoint, which leads to the same machine"
        );
    }
}
