//! The reasons of bad requests (400): found by id in the log and in the audit, for every door.

use http::Method;
use serde_json::{Value, json};
use transom_testkit::api::{send, text};
use transom_testkit::wait::{until, within};
use transom_testkit::{Api, TestServer, log};

/// A text that must not appear in a log.
const HUSH: &str = "hush-hush-hush";

struct Bad {
    method: Method,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    reason: &'static str,
}

fn bad(path: &str, body: impl ToString, reason: &'static str) -> Bad {
    let headers = vec![("content-type", "application/json")];
    Bad { method: Method::POST, path: path.to_owned(), headers, body: body.to_string(), reason }
}

fn zenlayer(body: impl ToString, reason: &'static str) -> Bad {
    let mut bad = bad("/api/v2/zec", body, reason);
    bad.headers.extend([("x-zc-version", "2025-09-01"), ("x-zc-action", "DescribeInstances")]);
    bad
}

/// Bad requests for every door. `{}` in a path is replaced by an instance.
fn of_every_door() -> Vec<Bad> {
    let (cloud, action) = ("/cloud/1.1/static-address", "/v2.1/servers/{}/action");
    let instance = "/api/v1/projects/alpha/instances/{}";
    let get = |path: &str, reason| Bad { method: Method::GET, ..bad(path, "", reason) };
    let patch = |body: Value, reason| Bad { method: Method::PATCH, ..bad(instance, body, reason) };
    vec![
        bad(cloud, "{", "EOF while parsing an object"),
        bad(
            cloud,
            json!({ "allowedActions": ["connect"], "acessControl": { "groups": ["g"] } }),
            "unknown field `acessControl`",
        ),
        bad(cloud, json!({ "allowedActions": HUSH }), "allowedActions: must be an array, not a string"),
        bad(
            cloud,
            json!({ "allowedActions": ["listen"], "accessControl": null }),
            "not put any groups or individual",
        ),
        bad(cloud, json!({ "allowedActions": ["connect"], "groups": [""] }), "A group name is either empty"),
        bad(cloud, json!({ "groups": null }), "allowedActions: is missing"),
        get("/cloud/1.1/static-address?limit=100", "limit: must be a whole number from 1 to 99"),
        get("/cloud/1.1/static-address/nonsense", "is not well-formed"),
        bad(action, "{", "the body is not JSON"),
        bad(
            action,
            json!({ "os-getVNCConsole": { "type": HUSH } }),
            "type: is not one of ['novnc', 'xvpvnc']",
        ),
        bad(action, json!({ "os-getVNCConsole": { "password": HUSH } }), "'type' is a required property"),
        bad(action, json!({}), "must have one member"),
        get("/v2.1/servers?limit=x", "limit: must be a whole number"),
        zenlayer(json!({ "pageSize": HUSH }), "INVALID_PARAMETER_TYPE: pageSize must be an integer"),
        zenlayer("[", "The body must be a JSON object"),
        bad("/api/v1/addresses", json!({ "action": "listen" }), "key: is missing"),
        bad("/api/v1/addresses", json!({ "action": HUSH }), "action: must be"),
        patch(json!({ "password": [HUSH] }), "password: must be a string, not an array"),
        patch(json!({ "key": HUSH }), "key: must hold a PEM private key"),
        patch(json!({ "key": 4711 }), "key: must be a string, not a number"),
        get("/api/v1/links?limit=0", "limit: must be a whole number from 1 to 1000"),
        get("/api/v1/links?limt=1", "unknown parameter"),
    ]
}

async fn refused(api: &Api, bad: &Bad, instance: &str) -> String {
    let mut request =
        api.request(bad.method.clone(), &bad.path.replace("{}", instance)).body(bad.body.clone());
    for (name, value) in &bad.headers {
        request = request.header(*name, *value);
    }
    let answer = send(request).await;
    assert_eq!(answer.status, 400, "{} {}: {answer}", bad.path, bad.body);
    answer.headers["x-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_400_has_its_reason_in_the_log_and_the_audit() {
    let log = log::capture();
    let server = TestServer::start().await;
    let key = server.api().add_key("alpha", "admin").await;
    let id = server.api().add_instance("alpha", json!({ "endpoint": "vnc://192.0.2.1" })).await;
    let member = server.api().with_key(&key);
    let token = member.post(&format!("/api/v1/keys/{}/token", key.id), json!({})).await.done();
    let bearer = server.api().with_bearer(&text(&token, "token"));
    for bad in of_every_door() {
        // A signature would cover the body, so a token authenticates the key instead.
        let api = if bad.path.starts_with("/api/v2") { &bearer } else { &member };
        let request = refused(api, &bad, &id).await;
        until("the log has it", || {
            let text = log.text();
            text.lines()
                .any(|line| line.contains(&request) && line.contains("error=") && line.contains(bad.reason))
        })
        .await;
        let found = within("the audit has it", async {
            loop {
                let found = server.api().get(&format!("/api/v1/audit?request={request}")).await.done();
                if let Some(record) = found["items"].as_array().unwrap().first() {
                    return record.clone();
                }
            }
        })
        .await;
        assert_eq!((&found["action"], &found["outcome"]), (&json!("request.refuse"), &json!("invalid")));
        assert_eq!(found["actor"], json!(key.id), "{}", bad.path);
        assert!(text(&found, "detail").contains(bad.reason), "{}: {found}", bad.path);
    }
    let told = log.text();
    let lines: Vec<_> = told.lines().filter(|line| line.contains("a request was refused")).collect();
    assert_eq!(lines.len(), of_every_door().len());
    assert!(lines.iter().all(|line| !line.contains(HUSH) && !line.contains("4711")), "{lines:?}");
}

#[tokio::test]
async fn strangers_fill_neither_log_nor_audit_with_bad_requests() {
    let log = log::capture();
    let server = TestServer::start().await;
    let nobody = server.api().anonymous();
    let before = server.api().get("/api/v1/audit").await.done()["items"].as_array().unwrap().len();
    for _ in 0..30 {
        let body = json!({ "auth": { "identity": { "methods": ["password"], "password": HUSH } } });
        let answer = nobody.post("/v3/auth/tokens", body).await;
        assert_eq!(answer.status, 400, "{answer}");
    }
    let told = log.text();
    let lines: Vec<_> = told.lines().filter(|line| line.contains("a request was refused")).collect();
    assert!((1..=5).contains(&lines.len()), "{lines:?}");
    assert!(
        lines.iter().all(|line| line.contains("auth.identity.password") && !line.contains(HUSH)),
        "{lines:?}"
    );
    assert_eq!(server.api().get("/api/v1/audit").await.done()["items"].as_array().unwrap().len(), before);
}

/// A caller in a loop must not fill the database; the log has every request.
#[tokio::test]
async fn the_audit_limits_the_records_of_a_caller_in_a_loop() {
    let log = log::capture();
    let server = TestServer::start().await;
    let key = server.api().add_key("alpha", "reader").await;
    let reader = server.api().with_key(&key);
    for _ in 0..90 {
        assert_eq!(reader.get("/api/v1/links?limit=0").await.status, 400);
    }
    let lines = log.text().lines().filter(|line| line.contains("a request was refused")).count();
    assert_eq!(lines, 90);
    // These records are written without hurry, but before every later write.
    server.api().add_key("alpha", "reader").await;
    let audit = server.api().get("/api/v1/audit?limit=1000").await.done();
    let told = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["action"] == "request.refuse")
        .count();
    assert!((1..=70).contains(&told), "{told}");
}
