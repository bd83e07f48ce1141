//! The information for a viewer about a console that does not open, and the further details for the
//! operator.

use serde_json::{Value, json};
use transom_model::EndReason;
use transom_testkit::api::text;
use transom_testkit::wait::within;
use transom_testkit::{Instance, Script, TestServer, log, postgres};

use crate::stage::{exchanged, kept, plain};

const BANNER: &[u8] = b"SSH-2.0-OpenSSH_9.2 rack-12\r\n";

/// A name that cannot be resolved, an address that refuses connections, a missing socket, and a
/// server that is not a VNC server.
async fn unreachable(server: &TestServer) -> Vec<(String, EndReason, String)> {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let banner = Instance::start(Script::default().greets(BANNER)).await;
    let mut made = Vec::new();
    for (endpoint, reason, kept) in [
        ("vnc://rack-12.corp.invalid:5907".to_owned(), EndReason::EndpointUnresolved, "rack-12.corp.invalid"),
        (format!("vnc://{closed}"), EndReason::InstanceRefusedConnection, "127.0.0.1"),
        ("vnc+unix:/nowhere/rack-12.sock".to_owned(), EndReason::InstanceUnreachable, "no such socket"),
        (banner.endpoint().to_owned(), EndReason::InstanceNotVnc, "rack-12"),
    ] {
        let id = server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
        made.push((id, reason, kept.to_owned()));
    }
    // The listener runs as long as the test process.
    std::mem::forget(banner);
    made
}

#[tokio::test]
async fn a_viewer_gets_the_reason_but_not_the_endpoint() {
    let server = TestServer::start().await;
    for (id, reason, secret) in unreachable(&server).await {
        let link = server.console_with(&id, json!({ "view_only": true, "uses": 0 })).await.token;
        let mut page = server.viewer().token(&link).origin(&server.origin()).open().await.unwrap();
        assert_eq!(page.closed().await.to_string(), plain(reason), "{id}");
        let kept = kept(&server).await;
        assert!(kept.contains(&secret), "{kept}");
        let mut raw = server.viewer().path(&format!("/console?token={link}")).connect().await.unwrap();
        assert_eq!(raw.refusal().await.unwrap(), reason.sentence());
    }
}

#[tokio::test]
async fn the_request_id_on_the_page_finds_the_cause_in_the_audit_and_the_log() {
    let log = log::capture();
    for setup in [TestServer::setup(), TestServer::setup().database(postgres::database())] {
        let server = setup.start().await;
        for (id, reason, secret) in unreachable(&server).await {
            let token = server.console(&id).await.token;
            let answer = server.api().exchange(json!({ "token": token })).await.done();
            let (ticket, request) = (text(&answer, "ticket"), text(&answer, "request"));
            assert_eq!(request.len(), 8, "{request}");
            let mut page = server.viewer().ticket(&ticket).origin(&server.origin()).open().await.unwrap();
            assert_eq!(page.closed().await.to_string(), plain(reason));
            for asked in [request.clone(), request.to_uppercase()] {
                let found = server.api().get(&format!("/api/v1/audit?request={asked}")).await.done();
                let records = found["items"].as_array().unwrap();
                assert_eq!(records.len(), 1, "{records:?}");
                assert_eq!(records[0]["outcome"], reason.code());
                let detail = text(&records[0], "detail");
                assert!(detail.contains(&secret), "{detail}");
            }
            within("the log has it", async {
                let of_it = |line: &str| line.contains(&request) && line.contains(&secret);
                while !log.text().lines().any(of_it) {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
    }
}

/// An id appears even if no dial took place.
#[tokio::test]
async fn a_refused_exchange_is_logged_under_the_id_that_its_page_shows() {
    let log = log::capture();
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let link = server.console(&server.add(&machine).await).await;
    exchanged(&server, json!({ "token": link.token })).await;
    for _ in 0..3 {
        let refused = server.api().exchange(json!({ "token": link.token })).await;
        let error: Value = serde_json::from_str(&refused.text).unwrap();
        assert_eq!(error["error"]["code"], "token-spent");
        let request = text(&error["error"], "request_id");
        let short = &request[request.len() - 8..];
        let told = |line: &str| line.contains(short) && line.contains("token-spent");
        assert!(log.text().lines().any(told), "{request}");
    }
}

/// A failure names the machine only to a caller with a valid link.
#[tokio::test]
async fn a_refused_exchange_names_the_machine_only_if_its_link_is_valid() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let id = server.add_with(&machine, json!({ "name": "Till 4" })).await;
    let link = server.console(&id).await;
    server.api().patch(&server.instance_path(&id), json!({ "status": "stopped" })).await.done();
    let refused = server.api().exchange(json!({ "token": link.token })).await;
    let error: Value = serde_json::from_str(&refused.text).unwrap();
    assert_eq!(error["error"]["instance"], "Till 4");
    server.api().delete(&format!("/api/v1/links/{}", link.grant)).await.done();
    let refused = server.api().exchange(json!({ "token": link.token })).await;
    assert!(!refused.text.contains("Till 4"), "{}", refused.text);
    let running = json!({ "status": "running" });
    server.api().patch(&server.instance_path(&id), running).await.done();
    exchanged(&server, json!({ "token": server.console(&id).await.token })).await;
}

/// Commands and settings appear only in answers to callers who can use them.
#[tokio::test]
async fn an_administrator_gets_the_remedy_and_a_viewer_does_not() {
    let server = TestServer::start().await;
    let admin = server.api().with_key(&server.api().add_key("alpha", "admin").await);
    let endpoint = json!({ "endpoint": "vnc://192.0.2.1" });
    let refused = admin.post("/api/v1/projects/alpha/instances", endpoint).await;
    let error: Value = serde_json::from_str(&refused.text).unwrap();
    assert!(text(&error["error"], "next_step").contains("[endpoints] allow"), "{error}");
    let foreign = server.api().anonymous().request(http::Method::POST, "/console/exchange");
    let foreign = foreign.header("origin", "https://elsewhere.example").json(&json!({ "token": "x" }));
    let answer: Value = foreign.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["error"]["code"], "origin-refused");
    assert!(!text(&answer["error"], "next_step").contains('['), "{answer}");
}
