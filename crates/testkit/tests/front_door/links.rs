//! Links with an end: after an hour, a link for an hour ends with all its sessions.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use transom_testkit::api::text;
use transom_testkit::wait::within;
use transom_testkit::{Script, TestServer, clock, postgres};

use crate::stage::{Stage, assert_live, exchanged};

const ENDED: &str = "4417 This console link has ended.";

/// The design's promise for every ending.
const PROMPT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_session_ends_with_its_link_however_busy_it_is() {
    let stage = Stage::set().await;
    let link = stage.server.console_with(&stage.id, json!({ "ends_after_seconds": 3600 })).await;
    let mut viewer = stage.server.viewer().token(&link.token).view().await;
    let mut guest = stage.machine.guest().await;
    assert_live(&mut viewer, &mut guest).await;
    for _ in 0..59 {
        clock::pass(Duration::from_secs(60)).await;
        assert_live(&mut viewer, &mut guest).await;
    }
    clock::pass(Duration::from_secs(61)).await;
    let end = timeout(PROMPT, viewer.closed()).await.expect("within a second");
    assert_eq!(end.to_string(), ENDED);
    guest.ended().await;
    assert_eq!(stage.end_reason().await, "link-ended");
}

#[tokio::test]
async fn a_raw_viewers_session_ends_with_its_link() {
    let stage = Stage::set().await;
    let body = json!({ "kind": "xvpvnc", "uses": 0, "ends_after_seconds": 3600 });
    let link = stage.server.console_with(&stage.id, body).await;
    let path = format!("/console?token={}", link.token);
    let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    viewer.greet().await.unwrap();
    let mut guest = stage.machine.guest().await;
    assert_live(&mut viewer, &mut guest).await;
    clock::pass(Duration::from_secs(3601)).await;
    guest.ended().await;
    assert_eq!(stage.end_reason().await, "link-ended");
}

#[tokio::test]
async fn the_first_end_determines_the_reason() {
    let server =
        TestServer::setup().config(|config| config.console.max_session.0 = Some(Duration::from_secs(60)));
    let stage = Stage::on(server.start().await, Script::default()).await;
    let link = stage.server.console_with(&stage.id, json!({ "ends_after_seconds": 3600 })).await;
    let mut viewer = stage.server.viewer().token(&link.token).view().await;
    let mut guest = stage.machine.guest().await;
    assert_live(&mut viewer, &mut guest).await;
    clock::pass(Duration::from_secs(61)).await;
    assert_eq!(viewer.closed().await.to_string(), "4412 The session reached its maximum duration.");
}

#[tokio::test]
async fn the_exchange_reports_the_links_remaining_time() {
    let stage = Stage::set().await;
    let link = stage.server.console_with(&stage.id, json!({ "ends_after_seconds": 3600 })).await;
    let answer = stage.server.api().exchange(json!({ "token": link.token })).await.done();
    let left = answer["ends_in_seconds"].as_u64().expect("a number");
    assert!((3580..=3600).contains(&left), "{left}");
    let again = stage.server.api().exchange(json!({ "ticket": text(&answer, "ticket") })).await.done();
    assert!(again["ends_in_seconds"].as_u64().expect("a number") <= left);

    let endless = stage.server.api().exchange(json!({ "token": stage.token().await })).await.done();
    assert!(endless.get("ends_in_seconds").is_none(), "{endless}");
}

/// Real time passes, because the store's clock decides. On PostgreSQL the page returns to a node
/// that never saw it.
#[tokio::test]
async fn a_page_cannot_return_after_its_links_end() {
    let sqlite = TestServer::setup();
    let postgres = TestServer::setup().database(postgres::database());
    for (setup, shared) in [(sqlite, false), (postgres, true)] {
        let stage = Stage::on(setup.clone().start().await, Script::default()).await;
        let body = json!({ "uses": 0, "ends_after_seconds": 2 });
        let link = stage.server.console_with(&stage.id, body).await;
        let ticket = exchanged(&stage.server, json!({ "token": link.token })).await;
        let viewer = stage.server.viewer().ticket(&ticket).view().await;
        drop(viewer);
        stage.machine.guest().await.ended().await;
        let another = if shared { Some(setup.another_node().resume().await) } else { None };
        let api = another.as_ref().unwrap_or(&stage.server).api();
        let over = "403 link-ended: This console link has ended.";
        let path = "/api/v1/sessions?live=true";
        within("the session's end", async {
            while stage.server.api().get(path).await.done()["items"] != json!([]) {}
        })
        .await;
        assert_eq!(stage.end_reason().await, "link-ended");
        assert_eq!(api.exchange(json!({ "ticket": ticket })).await.to_string(), over);
        assert_eq!(api.exchange(json!({ "token": link.token })).await.to_string(), over);
    }
}

#[tokio::test]
async fn a_links_end_is_in_the_future_and_at_most_a_month_away() {
    let stage = Stage::set().await;
    for seconds in [0, 30 * 24 * 3600 + 1] {
        let body = json!({ "ends_after_seconds": seconds });
        let answer = stage.server.api().try_console("alpha", &stage.id, body).await;
        assert_eq!(
            answer.to_string(),
            "400 invalid: ends_after_seconds: must be more than 0 and at most 30 days"
        );
    }
    let link =
        stage.server.console_with(&stage.id, json!({ "ttl_seconds": 600, "ends_after_seconds": 60 })).await;
    let shown = stage.server.api().get(&format!("/api/v1/links/{}", link.grant)).await.done();
    assert_eq!(shown["expires_at"], shown["ends_at"], "it opens no longer than it lasts");
}

/// The name by which the API identifies a link whose token has leaked.
fn digest(token: &str) -> String {
    let digest = transom_model::secret::TokenDigest::of(token).0;
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/api/v1/links/sha256:{hex}")
}

#[tokio::test]
async fn a_leaked_link_is_found_by_its_token_and_its_sessions_end() {
    let sqlite = TestServer::setup();
    let postgres = TestServer::setup().database(postgres::database());
    for (setup, shared) in [(sqlite, false), (postgres, true)] {
        let stage = Stage::on(setup.clone().start().await, Script::default()).await;
        let link = stage.server.console_with(&stage.id, json!({ "uses": 0 })).await;
        let waiting = exchanged(&stage.server, json!({ "token": link.token })).await;
        drop(stage.server.viewer().ticket(&waiting).view().await);
        stage.machine.guest().await.ended().await;
        let open = async || stage.server.api().newest_session().await["state"].clone();
        within("a session that waits for its page", async { while open().await != "detached" {} }).await;
        let mut viewer = stage.server.viewer().token(&link.token).view().await;
        let mut guest = stage.machine.guest().await;
        assert_live(&mut viewer, &mut guest).await;

        let another = if shared { Some(setup.another_node().resume().await) } else { None };
        let api = another.as_ref().unwrap_or(&stage.server).api();
        let path = digest(&link.token);
        let shown = api.get(&format!("{path}/report")).await.done();
        assert_eq!((&shown["link"]["id"], &shown["link"]["revoked_at"]), (&json!(link.grant), &json!(null)));
        let report = api.post(&format!("{path}/revoke"), json!({})).await.done();
        assert_eq!(timeout(PROMPT, viewer.closed()).await.expect("prompt").to_string(), REVOKED);
        let uses = report["uses"].as_array().unwrap();
        assert_eq!(uses.len(), 2, "{report}");
        for used in uses {
            assert_eq!((&used["session"]["state"], &used["ended_now"]), (&json!("ended"), &json!(true)));
            assert_eq!(used["session"]["end_reason"], "link-revoked");
            assert_eq!(used["session"]["viewer"], "127.0.0.1");
        }
        assert!(report["link"]["revoked_at"].is_string(), "{report}");
        assert_eq!(report["trail"][0]["action"], "link.create");
        assert!(!report.to_string().contains(&link.token), "the token is nobody's to see");
        let answer = stage.server.api().exchange(json!({ "ticket": waiting })).await;
        assert_eq!(answer.to_string(), "403 link-revoked: Access to this console was revoked.");

        let again = api.post(&format!("{path}/revoke"), json!({})).await.done();
        assert!(again["uses"].as_array().unwrap().iter().all(|used| used["ended_now"] == false));
    }
}

const REVOKED: &str = "4404 Access to this console was revoked.";

#[tokio::test]
async fn a_link_is_found_by_its_token_in_its_own_project_only() {
    let stage = Stage::set().await;
    let link = stage.server.console(&stage.id).await;
    let path = format!("{}/report", digest(&link.token));
    stage.server.api().add_project("beta").await;
    let own = stage.server.api().add_key("alpha", "member").await;
    let reader = stage.server.api().add_key("alpha", "reader").await;
    let other = stage.server.api().add_key("beta", "admin").await;
    let asked = async |key| stage.server.api().with_key(key).get(&path).await.status;
    assert_eq!((asked(&own).await, asked(&reader).await, asked(&other).await), (200, 403, 404));
    let unknown = stage.server.api().get(&digest("nobody-knows-it")).await;
    assert_eq!(unknown.to_string(), "404 not-found: link of this token not found");
    for wrong in ["sha256:", "sha256:abc", "sha256:zz"] {
        assert_eq!(stage.server.api().get(&format!("/api/v1/links/{wrong}")).await.status, 400, "{wrong}");
    }
}

/// A caller who may not read the audit does not learn its contents from a link's report either.
#[tokio::test]
async fn a_report_contains_audit_records_only_for_callers_who_may_read_the_audit() {
    for setup in [TestServer::setup(), TestServer::setup().database(postgres::database())] {
        let stage = Stage::on(setup.start().await, Script::default()).await;
        let link = stage.server.console_with(&stage.id, json!({ "uses": 0 })).await;
        for (from, program) in [("127.0.0.5", "First/1"), ("127.0.0.6", "Second/2")] {
            let opening = stage.server.viewer().token(&link.token).from(from.parse().unwrap());
            drop(opening.header(http::header::USER_AGENT, program).view().await);
        }
        within("both are over", async {
            while stage.server.api().get("/api/v1/sessions?live=true").await.done()["items"] != json!([]) {}
        })
        .await;
        let path = format!("/api/v1/links/{}", link.grant);
        let granted = "kind page, full control, uses unlimited, opens for 60 s";
        for role in ["reader", "member", "admin"] {
            let key = stage.server.api().add_key("alpha", role).await;
            let api = stage.server.api().with_key(&key);
            let may_audit = api.get("/api/v1/audit").await.status == 200;
            assert_eq!(may_audit, role == "admin");
            let shown = api.get(&format!("{path}/report")).await;
            if role == "reader" {
                assert_eq!(shown.status, 403);
                continue;
            }
            let revoked = api.post(&format!("{path}/revoke"), json!({})).await;
            for report in [shown.done(), revoked.done()] {
                let uses = report["uses"].as_array().unwrap();
                let viewers: Vec<_> = uses.iter().map(|used| text(&used["session"], "viewer")).collect();
                assert_eq!(viewers, ["127.0.0.6", "127.0.0.5"], "{report}");
                let origins: Vec<_> = uses.iter().map(|used| used["origins"].clone()).collect();
                if may_audit {
                    let told = |source, agent| json!([{ "source": source, "user_agent": agent }]);
                    assert_eq!(origins, [told("127.0.0.6", "Second/2"), told("127.0.0.5", "First/1")]);
                    let trail = report["trail"].as_array().unwrap();
                    assert_eq!(
                        (&trail[0]["action"], &trail[0]["detail"]),
                        (&json!("link.create"), &json!(granted))
                    );
                    assert!(trail.iter().any(|record| record["user_agent"] == "First/1"), "{report}");
                } else {
                    assert_eq!(origins, [json!(null), json!(null)]);
                    assert!(report.get("trail").is_none(), "{report}");
                    for kept in ["First/1", granted] {
                        assert!(!report.to_string().contains(kept), "{report}");
                    }
                }
            }
        }
    }
}

/// A page that returns from another place, perhaps with a copied ticket, is one use with two
/// origins.
#[tokio::test]
async fn a_report_lists_every_origin_of_a_session() {
    let stage = Stage::set().await;
    let link = stage.server.console(&stage.id).await;
    let mut ticket = exchanged(&stage.server, json!({ "token": link.token })).await;
    let (mut first, mut guest) = (None, None);
    for (from, program) in [("127.0.0.5", "First/1"), ("127.0.0.6", "Second/2"), ("127.0.0.5", "First/1")] {
        if first.is_some() {
            ticket = exchanged(&stage.server, json!({ "ticket": ticket })).await;
        }
        let opening = stage.server.viewer().ticket(&ticket).from(from.parse().unwrap());
        first = Some(opening.header(http::header::USER_AGENT, program).view().await);
        guest = Some(stage.machine.guest().await);
    }
    assert_live(first.as_mut().unwrap(), guest.as_mut().unwrap()).await;
    let report = stage.server.api().get(&format!("/api/v1/links/{}/report", link.grant)).await.done();
    let told = |source, agent| json!({ "source": source, "user_agent": agent });
    assert_eq!(report["uses"].as_array().unwrap().len(), 1);
    assert_eq!(
        report["uses"][0]["origins"],
        json!([told("127.0.0.6", "Second/2"), told("127.0.0.5", "First/1")]),
        "where it was last, last"
    );
}

/// A page of a report has 1000 sessions.
#[tokio::test(flavor = "multi_thread")]
async fn the_report_includes_an_open_session_older_than_a_thousand_others() {
    let setup = TestServer::setup().config(|config| config.limits.sessions_per_link = 100);
    let stage = Stage::on(setup.start().await, Script::default()).await;
    let link = stage.server.console_with(&stage.id, json!({ "uses": 2000 })).await;
    let mut viewer = stage.server.viewer().token(&link.token).view().await;
    let mut guest = stage.machine.guest().await;
    assert_live(&mut viewer, &mut guest).await;
    let old = stage.server.api().newest_session().await["id"].clone();
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (api, token) = (stage.server.api().clone(), link.token.clone());
        others.spawn(async move {
            for _ in 0..51 {
                let ticket = text(&api.exchange(json!({ "token": token })).await.done(), "ticket");
                api.exchange(json!({ "ticket": ticket, "leave": true })).await.done();
            }
        });
    }
    others.join_all().await;
    let report =
        stage.server.api().post(&format!("/api/v1/links/{}/revoke", link.grant), json!({})).await.done();
    assert_eq!(timeout(PROMPT, viewer.closed()).await.expect("prompt").to_string(), REVOKED);
    let uses = report["uses"].as_array().unwrap();
    assert_eq!(uses.len(), 1000);
    let ended: Vec<_> = uses.iter().filter(|used| used["ended_now"] == true).collect();
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!((&ended[0]["session"]["id"], &ended[0]["session"]["state"]), (&old, &json!("ended")));
}
