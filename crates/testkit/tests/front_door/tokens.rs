//! Console tokens: validity, number of uses, and the answers to invalid ones.

use serde_json::json;
use tokio::task::JoinSet;
use transom_model::EndReason;
use transom_testkit::viewer::Screen;
use transom_testkit::wait::within;
use transom_testkit::{Instance, Script, Step, TestServer, postgres};

use crate::stage::{Stage, assert_live, plain, refused, turned_away};

#[tokio::test]
async fn a_console_url_opens_the_machines_screen() {
    let stage = Stage::with(Script::default().screen(800, 600).name("Büro 7")).await;
    let token = stage.token().await;
    let mut viewer = stage.server.viewer().token(&token).open().await.unwrap();
    let screen = viewer.greet().await.unwrap();
    assert_eq!(screen, Screen { width: 800, height: 600, name: "Büro 7".to_owned() });
    assert_live(&mut viewer, &mut stage.machine.guest().await).await;
}

#[tokio::test]
async fn a_program_gets_the_fault_of_its_token_as_an_http_response() {
    let stage = Stage::set().await;
    let viewer = |token: &str| stage.server.viewer().token(token);
    let unknown = "401 token-unknown: This console link is not valid.";
    assert_eq!(refused(viewer("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).await, unknown);
    assert_eq!(refused(viewer("%00%ff%F0%9F%92%A9..//\\%22")).await, unknown);
    assert_eq!(refused(viewer(&"x".repeat(8000))).await, unknown);
    let missing = "400 token-missing: This console link has no token.";
    assert_eq!(refused(stage.server.viewer()).await, missing);
    assert_eq!(refused(stage.server.viewer().path("/?nothing=1")).await, missing);
}

#[tokio::test]
async fn a_page_gets_the_fault_of_its_token_as_a_close_code() {
    let stage = Stage::set().await;
    let page = || stage.server.viewer().origin(&stage.server.origin());
    assert_eq!(turned_away(page()).await, "4400 This console link has no token.");
    assert_eq!(turned_away(page().token("nobody-knows-it")).await, "4401 This console link is not valid.");
    assert_eq!(turned_away(page().token("%00%ff")).await, "4401 This console link is not valid.");
    assert_eq!(
        turned_away(page().ticket("nobody-knows-it")).await,
        "4405 This page can no longer return to its session."
    );
}

#[tokio::test]
async fn an_empty_token_counts_as_missing() {
    let stage = Stage::set().await;
    assert_eq!(
        refused(stage.server.viewer().token("")).await,
        "400 token-missing: This console link has no token."
    );
}

#[tokio::test]
async fn a_spent_token_is_refused() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let _first = stage.server.viewer().token(&token).view().await;
    assert_eq!(
        refused(stage.server.viewer().token(&token)).await,
        "401 token-spent: This console link has already been used."
    );
    let page = stage.server.viewer().token(&token).origin(&stage.server.origin());
    assert_eq!(turned_away(page).await, "4403 This console link has already been used.");
}

#[tokio::test]
async fn a_revoked_token_is_refused() {
    let stage = Stage::set().await;
    let console = stage.server.console(&stage.id).await;
    stage.server.api().delete(&format!("/api/v1/links/{}", console.grant)).await.done();
    assert_eq!(
        refused(stage.server.viewer().token(&console.token)).await,
        "403 link-revoked: Access to this console was revoked."
    );
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let stage = Stage::set().await;
    let token = stage.server.console_with(&stage.id, json!({ "ttl_seconds": 1, "uses": 0 })).await.token;
    // A second of real time must pass, because the database's clock decides. The list of live
    // grants shows when it has.
    within("the grant's end", async {
        while stage.server.api().get("/api/v1/links?live=true").await.done()["items"] != json!([]) {}
    })
    .await;
    assert_eq!(
        refused(stage.server.viewer().token(&token)).await,
        "401 token-expired: This console link has expired."
    );
}

#[tokio::test]
async fn a_reusable_token_opens_any_number_of_times() {
    let stage = Stage::set().await;
    let token = stage.reusable().await;
    for _ in 0..3 {
        stage.server.viewer().token(&token).view().await;
    }
}

#[tokio::test]
async fn every_form_of_a_console_url_opens() {
    let stage = Stage::set().await;
    let url = |kind: &str| stage.server.console_with(&stage.id, json!({ "kind": kind }));
    let base = stage.server.origin();

    let page = url("page").await;
    assert_eq!(page.url, format!("{base}/console#token={}", page.token));
    let websocket = url("websocket").await;
    assert_eq!(
        websocket.url,
        format!("ws://{}/websockify?token={}", stage.server.address(), websocket.token)
    );
    let path = websocket.url.split_once(&stage.server.address().to_string()).unwrap().1.to_owned();
    stage.server.viewer().path(&path).view().await;

    let xvpvnc = url("xvpvnc").await;
    assert_eq!(xvpvnc.url, format!("{base}/console?token={}", xvpvnc.token));
    let path = xvpvnc.url.strip_prefix(&base).unwrap();
    let mut viewer = stage.server.viewer().path(path).connect().await.unwrap();
    viewer.greet().await.unwrap();

    // Old noVNC pages open their WebSocket at the root.
    let token = stage.token().await;
    stage.server.viewer().path(&format!("/?token={token}")).view().await;

    let native = stage.server.api().try_console("alpha", &stage.id, json!({ "kind": "viewer" })).await;
    assert_eq!(native.to_string(), "400 invalid: kind: must be one of page, websocket, xvpvnc");
}

#[tokio::test]
async fn the_page_itself_never_spends_a_use() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let api = stage.server.api().anonymous();
    for path in ["/console", "/vnc.html", "/vnc_lite.html", "/vnc_auto.html"] {
        for token in [&token, "nobody-knows-it"] {
            let page = api.get(&format!("{path}?token={token}")).await;
            assert_eq!(page.status, 200, "{path}");
            assert!(page.text.contains("<html"), "{path}");
            assert_eq!(page.headers["referrer-policy"], "no-referrer");
        }
    }
    stage.server.viewer().token(&token).view().await;
}

#[tokio::test]
async fn a_failed_dial_returns_the_use() {
    let stage = Stage::with(Script::default().closes_before(Step::Init)).await;
    let token = stage.token().await;
    let mut viewer = stage.server.viewer().token(&token).open().await.unwrap();
    assert_eq!(viewer.closed().await.to_string(), plain(EndReason::InstanceClosedEarly));
    let working = Instance::start(Script::default()).await;
    let change = json!({ "endpoint": working.endpoint() });
    stage.server.api().patch(&stage.server.instance_path(&stage.id), change).await.done();
    stage.server.viewer().token(&token).view().await;
    assert_eq!(
        refused(stage.server.viewer().token(&token)).await,
        "401 token-spent: This console link has already been used."
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_concurrent_viewers_with_one_token_succeeds() {
    one_of_many_wins(TestServer::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_concurrent_viewers_with_one_token_succeeds_on_postgresql() {
    one_of_many_wins(TestServer::setup().database(postgres::database()).start().await).await;
}

async fn one_of_many_wins(server: TestServer) {
    const CROWD: usize = 32;
    let stage = Stage::on(server, Script::default()).await;
    let token = stage.token().await;
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let opening = stage.server.viewer().token(&token);
        crowd.spawn(async move {
            let mut viewer = opening.open().await.map_err(|refused| refused.to_string())?;
            viewer.greet().await.map_err(|closed| closed.to_string())?;
            Ok::<_, String>(viewer)
        });
    }
    let outcomes = crowd.join_all().await;
    let (winners, losers): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(winners.len(), 1);
    for loser in losers {
        assert_eq!(loser.err().unwrap(), "401 token-spent: This console link has already been used.");
    }
    assert_eq!(stage.machine.arrived(), 1, "the losers never reach the machine");
}
