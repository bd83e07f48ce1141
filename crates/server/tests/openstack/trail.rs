//! The history of a URL, or the reason why there is none: found by the request id that its caller
//! was given, and by the grant's id.

use std::str::FromStr as _;

use reqwest::Method;
use serde_json::json;
use transom_app::AuditQuery;
use transom_model::access_key::Role;
use transom_model::id::RequestId;
use transom_model::session::SessionState;

use transom_testkit::log;

use crate::house::{Answer, House, RUNNING, answer, operator};
use crate::viewer::Viewer;

#[tokio::test]
async fn the_audit_tells_dialect_key_project_instance_and_what_became_of_it() {
    let house = House::start().await;
    let opened = house.action(RUNNING, r#"{"os-getVNCConsole":{"type":"xvpvnc"}}"#).await;
    let request = RequestId::from_str(opened.header("x-compute-request-id")).unwrap();
    let url = opened.body["console"]["url"].as_str().unwrap();
    let viewer = Viewer::connect(house.server.address(), url.split_once("token=").unwrap().1).await.unwrap();
    let session = house.open_sessions(1).await.remove(0);
    assert_eq!(session.state, SessionState::Live);
    house.server.app().consoles.end_session(&operator(), session.id, None).await.unwrap();
    viewer.ended().await;

    let asked = house.audit(AuditQuery { request: Some(request), ..AuditQuery::default() }).await;
    let [created] = &asked[..] else { panic!("{asked:?}") };
    let project = house.server.app().access.project(&operator(), crate::house::PROJECT).await.unwrap().id;
    assert_eq!((created.dialect.as_str(), &created.actor), ("openstack", &house.member.id));
    assert_eq!((created.target.as_str(), created.project), (RUNNING, Some(project)));

    house.server.stop().await;
    let database = transom_store::DatabaseUrl::sqlite(house.data.path().join("transom.db"));
    let store = transom_store::Store::open(&database).await.unwrap();
    let by_grant = AuditQuery { grant: created.grant, ..AuditQuery::default() };
    let told = store.audit_records(&by_grant, 10).await.unwrap();
    let told: Vec<_> = told.iter().map(|record| (record.action.as_str(), record.outcome.as_str())).collect();
    let expected = [
        ("link.create", "ok"),
        ("session.start", "ok"),
        ("session.kill", "ok"),
        ("session.end", "session-killed"),
    ];
    assert_eq!(told, expected);
}

/// Returns the only line of the log with this answer's request id.
fn line(log: &log::Log, answer: &Answer) -> String {
    let id = answer.header("x-request-id").to_owned();
    let text = log.text();
    let found: Vec<_> = text.lines().filter(|line| line.contains("WARN") && line.contains(&id)).collect();
    let [line] = found[..] else { panic!("{found:?}") };
    line.to_owned()
}

#[tokio::test]
async fn a_refused_callers_request_id_finds_the_reason_in_the_log() {
    let log = log::capture();
    let house = House::start().await;
    let member = &house.member;
    let servers = |id: &str, secret: &str| {
        answer(house.request(Method::GET, "/v2.1/servers").basic_auth(id, Some(secret)))
    };
    let wrong = servers(&member.id, "wrong").await;
    assert_eq!(wrong.status, 401);
    let told = line(&log, &wrong);
    assert!(told.contains(&format!("key={}", member.id)), "{told}");
    assert!(told.contains("error=the access key or its secret is not valid"), "{told}");
    // A malformed id may be the secret itself.
    let swapped = servers(&member.secret, &member.id).await;
    let told = line(&log, &swapped);
    assert!(!told.contains("key=") && !log.text().contains(&member.secret), "{told}");

    let auth = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": member.id, "domain": {"id": "default"}, "password": member.secret}}},
        "scope": {"project": {"name": "other", "domain": {"id": "default"}}},
    }});
    let elsewhere = answer(house.request(Method::POST, "/v3/auth/tokens").json(&auth)).await;
    assert_eq!(elsewhere.status, 401);
    let told = line(&log, &elsewhere);
    assert!(told.contains(&format!("key={}", member.id)), "{told}");
    assert!(told.contains("error=the access key does not belong to the requested project"), "{told}");
}

#[tokio::test]
async fn every_refused_role_names_the_policy() {
    let house = House::start().await;
    let reader = house.key(crate::house::PROJECT, Role::Reader).await;
    let asked = house.request(Method::POST, "/v2.1/servers/web-1/action");
    let asked = asked.json(&json!({"os-getVNCConsole": {"type": "novnc"}}));
    let refused = answer(asked.basic_auth(&reader.id, Some(&reader.secret))).await;
    let expected = "Policy doesn't allow os_compute_api:os-remote-consoles to be performed.";
    assert_eq!(refused.body, json!({"forbidden": {"code": 403, "message": expected}}));
}

#[tokio::test]
async fn a_page_that_an_undeclared_proxy_spoils_is_told_apart_in_the_log() {
    let log = log::capture();
    let house = House::start().await;
    let asked =
        house.request(Method::POST, "/console/exchange").header("origin", "https://console.example.com");
    let refused = answer(asked.header("x-forwarded-proto", "https").json(&json!({"token": "x"}))).await;
    assert_eq!(refused.status, 403);
    let told = line(&log, &refused);
    assert!(told.contains("origin=\"https://console.example.com\""), "{told}");
    assert!(told.contains("set [http] public_url and trusted_proxies"), "{told}");
}
