//! Endings: a revocation, removal or kill ends its sessions within a second, with its reason.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout};
use transom_testkit::wait::within;
use transom_testkit::{Script, Step, TestServer, Viewer, clock};

use crate::stage::{Stage, assert_live};

/// The design's promise for every ending.
const PROMPT: Duration = Duration::from_secs(1);

/// The end of the viewer's session, which must come soon.
async fn prompt_end(viewer: &mut Viewer) -> String {
    timeout(PROMPT, viewer.closed()).await.expect("a session ends within a second").to_string()
}

#[tokio::test]
async fn revoking_the_grant_ends_its_session() {
    let stage = Stage::set().await;
    let console = stage.server.console(&stage.id).await;
    let mut viewer = stage.server.viewer().token(&console.token).view().await;
    let mut guest = stage.machine.guest().await;
    stage.server.api().delete(&format!("/api/v1/links/{}", console.grant)).await.done();
    assert_eq!(prompt_end(&mut viewer).await, "4404 Access to this console was revoked.");
    guest.ended().await;
}

#[tokio::test]
async fn revoking_the_key_ends_the_sessions_of_its_grants_and_no_others() {
    let stage = Stage::set().await;
    let key = stage.server.api().add_key("alpha", "member").await;
    let console = stage.server.api().with_key(&key).console("alpha", &stage.id, json!({})).await;
    let mut viewer = stage.server.viewer().token(&console.token).view().await;
    let _guest = stage.machine.guest().await;
    let (mut other, mut other_guest) = stage.session().await;
    stage.server.api().delete(&format!("/api/v1/keys/{}", key.id)).await.done();
    assert_eq!(prompt_end(&mut viewer).await, "4410 The access key behind this console was revoked.");
    assert_live(&mut other, &mut other_guest).await;

    // The list shows the link as revoked.
    let links = stage.server.api().get("/api/v1/links?live=true").await.done();
    let ids: Vec<_> =
        links["items"].as_array().expect("a list").iter().map(|link| link["id"].clone()).collect();
    assert!(!ids.contains(&console.grant.as_str().into()), "{links}");
    let link = stage.server.api().get(&format!("/api/v1/links/{}", console.grant)).await.done();
    assert!(link["revoked_at"].is_string(), "{link}");
    // The audit does not attribute the end to the viewer.
    let path = format!("/api/v1/audit?link={}", console.grant);
    let end = within("the session's end in the audit", async {
        loop {
            let audit = stage.server.api().get(&path).await.done();
            let records = audit["items"].as_array().expect("a list");
            if let Some(end) = records.iter().find(|record| record["action"] == "session.end") {
                return end.clone();
            }
        }
    })
    .await;
    assert_eq!((&end["actor"], &end["outcome"]), (&"transom".into(), &"key-revoked".into()));
}

#[tokio::test]
async fn removing_the_instance_ends_its_session() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    stage.server.api().delete(&stage.server.instance_path(&stage.id)).await.done();
    assert_eq!(prompt_end(&mut viewer).await, "4411 The machine of this console was removed.");
    guest.ended().await;
}

#[tokio::test]
async fn killing_the_session_ends_it() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    let session = stage.server.api().newest_session().await["id"].clone();
    let path = format!("/api/v1/sessions/{}", session.as_str().unwrap());
    for reason in ["x".repeat(201), "two%0Alines".to_owned()] {
        let refused = stage.server.api().delete(&format!("{path}?reason={reason}")).await;
        assert!(refused.to_string().starts_with("400 invalid: reason: "), "{refused}");
    }
    stage.server.api().delete(&path).await.done();
    assert_eq!(prompt_end(&mut viewer).await, "4409 This session was ended by an operator.");
    guest.ended().await;
    assert_eq!(stage.end_reason().await, "session-killed");
}

#[tokio::test]
async fn a_raw_viewer_is_cut_too() {
    let stage = Stage::set().await;
    let console = stage.server.console(&stage.id).await;
    let path = format!("/console?token={}", console.token);
    let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    viewer.greet().await.unwrap();
    let mut guest = stage.machine.guest().await;
    stage.server.api().delete(&format!("/api/v1/links/{}", console.grant)).await.done();
    assert_eq!(prompt_end(&mut viewer).await, "the stream ended without a word");
    guest.ended().await;
}

#[tokio::test]
async fn a_status_change_never_ends_a_session() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    for status in ["stopped", "failed", "releasing"] {
        stage
            .server
            .api()
            .patch(&stage.server.instance_path(&stage.id), json!({ "status": status }))
            .await
            .done();
        assert_live(&mut viewer, &mut guest).await;
    }
    clock::pass(Duration::from_secs(2)).await;
    assert_live(&mut viewer, &mut guest).await;
}

#[tokio::test]
async fn a_grant_revoked_during_the_dial_never_opens() {
    for (what, end) in [
        ("grant", "4404 Access to this console was revoked."),
        ("key", "4410 The access key behind this console was revoked."),
        ("instance", "4411 The machine of this console was removed."),
        ("session", "4409 This session was ended by an operator."),
    ] {
        let stage = Stage::with(Script::default().holds(Step::Init)).await;
        let api = stage.server.api();
        let key = api.add_key("alpha", "member").await;
        let console = api.with_key(&key).console("alpha", &stage.id, json!({})).await;
        let mut viewer = stage.server.viewer().token(&console.token).open().await.unwrap();
        stage.machine.held().await;
        let path = match what {
            "grant" => format!("/api/v1/links/{}", console.grant),
            "key" => format!("/api/v1/keys/{}", key.id),
            "instance" => stage.server.instance_path(&stage.id),
            _ => format!("/api/v1/sessions/{}", api.newest_session().await["id"].as_str().unwrap()),
        };
        api.delete(&path).await.done();
        stage.machine.release();
        assert_eq!(prompt_end(&mut viewer).await, end, "{what}");
        assert_eq!(viewer.unread(), b"", "{what}: not even a greeting");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_racing_with_the_instances_answer_prevents_or_ends_the_session() {
    let stage = Stage::with(Script::default().holds(Step::Init)).await;
    for _ in 0..20 {
        let console = stage.server.console(&stage.id).await;
        let mut viewer = stage.server.viewer().token(&console.token).open().await.unwrap();
        stage.machine.held().await;
        let path = format!("/api/v1/links/{}", console.grant);
        let revoked = stage.server.api().delete(&path);
        stage.machine.release();
        revoked.await.done();
        assert_eq!(prompt_end(&mut viewer).await, "4404 Access to this console was revoked.");
    }
}

#[tokio::test]
async fn a_session_ends_at_its_longest_duration_however_busy_it_is() {
    let server =
        TestServer::setup().config(|config| config.console.max_session.0 = Some(Duration::from_secs(3600)));
    let stage = Stage::on(server.start().await, Script::default()).await;
    let (mut viewer, mut guest) = stage.session().await;
    assert_live(&mut viewer, &mut guest).await;
    for _ in 0..59 {
        clock::pass(Duration::from_secs(60)).await;
        // A viewer that is present responds to pings.
        assert_live(&mut viewer, &mut guest).await;
    }
    clock::pass(Duration::from_secs(61)).await;
    assert_eq!(prompt_end(&mut viewer).await, "4412 The session reached its maximum duration.");
}

#[tokio::test]
async fn a_session_without_input_and_pixels_ends_at_the_idle_limit() {
    let server = TestServer::setup().config(|config| config.console.idle.0 = Some(Duration::from_secs(30)));
    let stage = Stage::on(server.start().await, Script::default()).await;
    let (mut viewer, mut guest) = stage.session().await;
    assert_live(&mut viewer, &mut guest).await;
    // Either of the two keeps the session alive.
    for _ in 0..3 {
        clock::pass(Duration::from_secs(20)).await;
        viewer.send(&crate::stage::key(b'x')).await.unwrap();
        guest.take(8).await;
        clock::pass(Duration::from_secs(20)).await;
        guest.send(b"pixel");
        viewer.take(5).await.unwrap();
    }
    clock::pass(Duration::from_secs(31)).await;
    assert_eq!(prompt_end(&mut viewer).await, "4413 The session was idle for too long.");
    guest.ended().await;
}

#[tokio::test]
async fn a_request_for_updates_does_not_count_as_input() {
    let server = TestServer::setup().config(|config| config.console.idle.0 = Some(Duration::from_secs(30)));
    let stage = Stage::on(server.start().await, Script::default()).await;
    let (mut viewer, mut guest) = stage.session().await;
    assert_live(&mut viewer, &mut guest).await;
    clock::pass(Duration::from_secs(20)).await;
    viewer.send(&[3, 1, 0, 0, 0, 0, 0, 9, 0, 9]).await.unwrap();
    guest.take(10).await;
    clock::pass(Duration::from_secs(11)).await;
    assert_eq!(prompt_end(&mut viewer).await, "4413 The session was idle for too long.");
}

#[tokio::test]
async fn a_page_that_stays_away_too_long_cannot_return() {
    let server = TestServer::setup().config(|config| config.console.resume.0 = Duration::from_secs(1));
    let stage = Stage::on(server.start().await, Script::default()).await;
    let ticket = stage.ticket().await;
    let viewer = stage.server.viewer().ticket(&ticket).view().await;
    let mut guest = stage.machine.guest().await;
    // The first ticket lives as long as it was issued for; the second one lives for a second.
    let second = crate::stage::exchanged(&stage.server, json!({ "ticket": ticket })).await;
    drop(viewer);
    guest.ended().await;
    let begun = Instant::now();
    let sleeper = async {
        while begun.elapsed() < Duration::from_millis(1500) {
            stage.server.api().get("/healthz").await;
        }
    };
    sleeper.await;
    let answer = stage.server.api().exchange(json!({ "ticket": second })).await;
    assert_eq!(answer.to_string(), "401 ticket-invalid: This page can no longer return to its session.");
}
