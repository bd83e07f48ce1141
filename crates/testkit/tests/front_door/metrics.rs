//! `/metrics`, `/healthz` and `/readyz`.

use serde_json::json;
use transom_testkit::wait::{until, within};
use transom_testkit::{Instance, Script, Step, TestServer, api};

use crate::stage::{Stage, assert_live, exchanged, refused};

#[tokio::test]
async fn a_console_changes_the_metrics() {
    let stage = Stage::set().await;
    let figure = async |line: &str| stage.server.api().metric(line).await;
    let (mut viewer, mut guest) = stage.session().await;
    assert_live(&mut viewer, &mut guest).await;
    assert_eq!(figure(r#"transom_links_total{dialect="api",outcome="created"}"#).await, 1.0);
    assert_eq!(figure(r#"transom_links_total{dialect="api",outcome="opened"}"#).await, 1.0);
    assert_eq!(figure("transom_sessions_started_total").await, 1.0);
    assert_eq!(figure("transom_sessions_live").await, 1.0);
    assert_eq!(figure("transom_first_byte_seconds_count").await, 1.0);
    assert_eq!(figure(r#"transom_session_bytes_total{direction="to-instance"}"#).await, 8.0);
    assert_eq!(figure(r#"transom_session_bytes_total{direction="to-viewer"}"#).await, 6.0);
    let session = stage.server.api().newest_session().await;
    assert_eq!((&session["bytes_to_instance"], &session["bytes_to_viewer"]), (&json!(8), &json!(6)));

    drop(guest);
    assert_eq!(viewer.closed().await.code, Some(4433));
    assert_eq!(figure("transom_sessions_live").await, 0.0);
    assert_eq!(figure(r#"transom_sessions_ended_total{reason="instance-gone"}"#).await, 1.0);
    let session = stage.server.api().newest_session().await;
    assert_eq!((&session["bytes_to_instance"], &session["bytes_to_viewer"]), (&json!(8), &json!(6)));
}

#[tokio::test]
async fn a_returning_page_does_not_count_as_another_session() {
    let stage = Stage::set().await;
    let (viewer, mut guest, ticket) = stage.page().await;
    drop(viewer);
    guest.ended().await;
    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let _viewer = stage.server.viewer().ticket(&fresh).view().await;
    let api = stage.server.api();
    assert_eq!(api.metric("transom_sessions_started_total").await, 1.0);
    assert_eq!(api.metric(r#"transom_links_total{dialect="api",outcome="opened"}"#).await, 1.0);
}

/// No node carries a session that waits for its page, so the store counts its end.
#[tokio::test]
async fn sessions_that_end_while_they_wait_for_their_pages_are_counted() {
    for (way, reason) in [
        ("kill", "session-killed"),
        ("grant", "link-revoked"),
        ("key", "key-revoked"),
        ("instance", "instance-removed"),
        ("endpoint", "endpoint-changed"),
    ] {
        let stage = Stage::set().await;
        let operator = stage.server.api();
        let key = operator.add_key("alpha", "member").await;
        let made = operator.with_key(&key).console("alpha", &stage.id, json!({})).await;
        let ticket = exchanged(&stage.server, json!({ "token": made.token })).await;
        let viewer = stage.server.viewer().ticket(&ticket).view().await;
        let mut guest = stage.machine.guest().await;
        drop(viewer);
        guest.ended().await;
        until("nobody carries it", || stage.server.app().live.count() == 0).await;
        let session = api::text(&operator.newest_session().await, "id");
        within("it waits", async { while operator.newest_session().await["state"] != "detached" {} }).await;
        let answer = match way {
            "kill" => operator.delete(&format!("/api/v1/sessions/{session}")).await,
            "grant" => operator.delete(&format!("/api/v1/links/{}", made.grant)).await,
            "key" => operator.delete(&format!("/api/v1/keys/{}", key.id)).await,
            "instance" => operator.delete(&stage.server.instance_path(&stage.id)).await,
            _ => {
                let elsewhere = json!({ "endpoint": "vnc://127.0.0.1:1" });
                operator.patch(&stage.server.instance_path(&stage.id), elsewhere).await
            }
        };
        assert!((200..300).contains(&answer.status), "{way}: {answer}");
        let line = format!("transom_sessions_ended_total{{reason=\"{reason}\"}}");
        assert_eq!(operator.metric(&line).await, 1.0, "{way}");
    }
}

#[tokio::test]
async fn failed_handshakes_are_counted_by_cause() {
    let server = TestServer::start().await;
    for (script, reason) in [
        (Script::default().closes_before(Step::Security), "instance-closed-early"),
        (Script::default().greets(b"HTTP/1.1 200 OK\r\n\r\n"), "instance-not-vnc"),
        (Script::default().password("curtains"), "instance-password-missing"),
        (Script::default().offers(&[99]), "instance-security-unsupported"),
        (Script::default().refuses("no"), "instance-refused-session"),
        (Script::default().screen(65535, 65535), "instance-protocol-error"),
    ] {
        let line = format!("transom_handshake_failures_total{{reason=\"{reason}\"}}");
        assert_eq!(server.api().metric(&line).await, 0.0);
        let machine = Instance::start(script).await;
        let token = server.console(&server.add(&machine).await).await.token;
        server.viewer().token(&token).open().await.unwrap().closed().await;
        assert_eq!(server.api().metric(&line).await, 1.0, "{reason}");
    }
    assert_eq!(server.api().metric("transom_sessions_started_total").await, 0.0);
}

#[tokio::test]
async fn a_viewers_failed_handshake_is_counted_too() {
    let stage = Stage::set().await;
    let mut viewer = stage.server.viewer().token(&stage.token().await).open().await.unwrap();
    viewer.send(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    viewer.closed().await;
    let line = r#"transom_handshake_failures_total{reason="viewer-protocol-error"}"#;
    assert_eq!(stage.server.api().metric(line).await, 1.0);
}

#[tokio::test]
async fn refused_uses_and_failed_authentications_are_counted() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let _viewer = stage.server.viewer().token(&token).view().await;
    refused(stage.server.viewer().token(&token)).await;
    refused(stage.server.viewer().token("nobody-knows-it")).await;
    let figure = async |line: &str| stage.server.api().metric(line).await;
    assert_eq!(figure(r#"transom_links_total{dialect="api",outcome="token-spent"}"#).await, 1.0);
    assert_eq!(figure(r#"transom_links_total{dialect="api",outcome="token-unknown"}"#).await, 1.0);
    assert_eq!(figure("transom_failed_authentications_total").await, 1.0);
    stage.server.api().with_bearer("wrong").get("/api/v1/projects").await;
    assert_eq!(figure("transom_failed_authentications_total").await, 2.0);
}

#[tokio::test]
async fn metrics_are_available_to_this_machine_and_the_operator_only() {
    let server = TestServer::setup().config(|config| {
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let server = server.start().await;
    let from_afar = |api: &api::Api| {
        api::send(api.request(http::Method::GET, "/metrics").header("x-forwarded-for", "192.0.2.1"))
    };
    assert_eq!(from_afar(&server.api().anonymous()).await.status, 401);
    assert_eq!(from_afar(&server.api().with_bearer("wrong")).await.status, 401);
    let figures = from_afar(server.api()).await;
    assert_eq!(figures.status, 200);
    assert!(figures.text.ends_with("# EOF\n"));
    assert_eq!(server.api().anonymous().get("/metrics").await.status, 200);
}

#[tokio::test]
async fn a_node_reports_its_health_and_readiness() {
    let server = TestServer::start().await;
    for (path, said) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = server.api().anonymous().get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, said));
    }
}
