//! The vendor's own SDK for Python, unchanged.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use transom_config::Config;
use transom_desktop::{HEIGHT, WIDTH};
use transom_server::Tls;

use crate::house::{FOREIGN, House, Key, Plan, RUNNING};
use crate::viewer;
use crate::wire::check_id;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Makes these calls with the SDK.
pub(crate) async fn sdk(config: Value, calls: &[Value]) -> Vec<Value> {
    let python = root().join("target/clients/zenlayer/bin/python");
    assert!(python.exists(), "the vendor's SDK is not installed: run scripts/setup.sh test");
    let mut child = Command::new(python)
        .arg(root().join("tests/clients/zenlayer.py"))
        .env("NO_PROXY", "127.0.0.1,localhost")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let work = json!({ "config": config, "calls": calls }).to_string();
    child.stdin.take().unwrap().write_all(work.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn plain(house: &House) -> Value {
    json!({ "scheme": "http", "domain": house.address().to_string() })
}

pub(crate) fn call(key: &Key, service: &str, version: &str, action: &str, parameters: Value) -> Value {
    json!({
        "service": service, "version": version, "action": action, "parameters": parameters,
        "key": { "id": key.id, "secret": key.secret },
    })
}

pub(crate) fn vnc_url(key: &Key, id: impl Into<Value>) -> Value {
    call(key, "zec", "2025-09-01", "DescribeVncUrl", json!({ "instanceId": id.into() }))
}

pub(crate) fn desktop() -> viewer::Screen {
    viewer::Screen { size: (WIDTH, HEIGHT), name: "Transom test desktop".to_owned() }
}

/// Calls the three services and versions that have `DescribeVncUrl`, each through its own client
/// class.
async fn every_version_gives_a_url_that_shows_the_guest(house: &House, config: Value) {
    let versions = [("zec", "2025-09-01"), ("zec", "2024-04-01"), ("vm", "2026-04-01")];
    let calls = versions.map(|(service, version)| {
        call(&house.member, service, version, "DescribeVncUrl", json!({ "instanceId": RUNNING }))
    });
    let answers = sdk(config, &calls).await;
    assert_eq!(answers.len(), 3);
    for answer in answers {
        assert_eq!(answer["status"], 200, "{answer}");
        let (result, body) = (&answer["result"], &answer["body"]);
        let (id, url) = (result["requestId"].as_str().unwrap(), result["url"].as_str().unwrap());
        check_id(id);
        // The flat form stands beside the wrapped one.
        assert_eq!((&body["requestId"], &body["url"]), (&result["requestId"], &result["url"]));
        assert_eq!(answer["headers"]["x-request-id"], id);
        assert!(url.starts_with(house.server.public_url().as_str()), "{url}");
        // The page itself and its socket open. A caller may reload.
        for _ in 0..2 {
            assert_eq!(viewer::open(url, house.server.ca()).await, Ok(desktop()));
        }
        let audit = house.audit_of(id).await;
        let created = audit.iter().find(|record| record.action == "link.create").unwrap();
        assert_eq!((created.dialect.as_str(), created.actor.as_str()), ("zenlayer", &*house.member.id));
        assert_eq!((created.target.as_str(), created.outcome.as_str()), (RUNNING, "ok"));
        assert!(created.project.is_some() && created.grant.is_some());
    }
}

#[tokio::test]
async fn the_sdk_gets_console_urls_over_http() {
    let house = House::start().await;
    every_version_gives_a_url_that_shows_the_guest(&house, plain(&house)).await;
}

#[tokio::test]
async fn the_sdk_gets_console_urls_over_https_with_a_ca_of_our_own() {
    let house = House::start_with(Plan { tls: Tls::SelfSigned, ..Plan::default() }).await;
    let config =
        json!({ "domain": house.address().to_string(), "certification": house.server.ca().unwrap() });
    every_version_gives_a_url_that_shows_the_guest(&house, config).await;
}

#[tokio::test]
async fn the_sdk_gets_console_urls_on_postgresql() {
    let database = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    let house = House::start_with(Plan { database: Some(database), ..Plan::default() }).await;
    every_version_gives_a_url_that_shows_the_guest(&house, plain(&house)).await;
}

#[tokio::test]
async fn the_sdk_may_have_the_scheme_in_its_domain() {
    let house = House::start().await;
    let config = json!({ "domain": format!("http://{}", house.address()), "scheme": "http" });
    let answers = sdk(config, &[vnc_url(&house.member, RUNNING)]).await;
    assert_eq!(answers[0]["status"], 200, "{}", answers[0]);
}

#[tokio::test]
async fn every_documented_failure_reaches_the_sdk_with_its_status_and_code() {
    every_documented_failure(&House::start().await).await;
}

#[tokio::test]
async fn every_documented_failure_reaches_the_sdk_on_postgresql_too() {
    let database = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    every_documented_failure(&House::start_with(Plan { database: Some(database), ..Plan::default() }).await)
        .await;
}

async fn every_documented_failure(house: &House) {
    let others = house.instance_in_every_other_state().await;
    let (member, reader) = (&house.member, &house.reader);
    let wrong = Key { secret: "wrong".to_owned(), ..member.clone() };
    let unknown = Key { id: "AKIDEXAMPLE0001".to_owned(), ..member.clone() };
    let late = |seconds: i64| {
        let mut call = vnc_url(member, RUNNING);
        call["clock"] = seconds.into();
        call
    };
    let mut token = vnc_url(member, RUNNING);
    token["token"] = "not-a-token".into();
    let list = |parameters| call(member, "zec", "2025-09-01", "DescribeInstances", parameters);
    let mut cases = vec![
        (vnc_url(member, "nowhere"), 404, "INVALID_INSTANCE_NOT_FOUND"),
        (vnc_url(member, "no id of ours!"), 404, "INVALID_INSTANCE_NOT_FOUND"),
        (vnc_url(member, FOREIGN), 404, "INVALID_INSTANCE_NOT_FOUND"),
        (vnc_url(member, Value::Null), 400, "MISSING_PARAMETER"),
        (vnc_url(member, ""), 400, "MISSING_PARAMETER"),
        (vnc_url(member, 7), 400, "INVALID_PARAMETER_TYPE"),
        (vnc_url(reader, RUNNING), 401, "AUTHFAILURE_UNAUTHORIZED_OPERATION"),
        // A reader's missing permission is reported before faults in the parameters.
        (vnc_url(reader, Value::Null), 401, "AUTHFAILURE_UNAUTHORIZED_OPERATION"),
        (
            call(member, "zec", "2025-09-01", "DescribeZones", json!({})),
            401,
            "AUTHFAILURE_UNAUTHORIZED_OPERATION",
        ),
        (
            call(member, "vm", "2023-03-13", "DescribeInstances", json!({})),
            401,
            "AUTHFAILURE_UNAUTHORIZED_OPERATION",
        ),
        (vnc_url(&wrong, RUNNING), 401, "AUTHFAILURE_SIGNATURE_FAILURE"),
        (vnc_url(&unknown, RUNNING), 401, "AUTHFAILURE_SIGNATURE_FAILURE"),
        (late(400), 401, "AUTHFAILURE_SIGNATURE_EXPIRED"),
        (late(-3600), 401, "AUTHFAILURE_SIGNATURE_EXPIRED"),
        (token, 401, "AUTHFAILURE_INVALID_AUTHORIZATION"),
        (list(json!({ "pageSize": 1001 })), 400, "INVALID_PARAMETER_EXCEED_MAXIMUM"),
        (list(json!({ "pageNum": 0 })), 400, "INVALID_PARAMETER_LESS_MINIMUM"),
        (list(json!({ "pageSize": 2.0 })), 400, "INVALID_PARAMETER_TYPE"),
        (list(json!({ "name": "x".repeat(300_000) })), 400, "INVALID_PARAMETER_EXCEED_LENGTH"),
        (list(json!({ "status": "WELL" })), 400, "INVALID_PARAMETER_VALUE"),
        (list(json!({ "instanceIds": vec!["x"; 101] })), 400, "INVALID_PARAMETER_EXCEED_LENGTH"),
    ];
    for status in others {
        cases.push((vnc_url(member, status.as_str()), 400, "OPERATION_DENIED_INSTANCE_STATUS_NOT_SUPPORT"));
    }
    let calls: Vec<_> = cases.iter().map(|(call, _, _)| call.clone()).collect();
    for (answer, (call, status, code)) in sdk(plain(house), &calls).await.into_iter().zip(cases) {
        assert_eq!((&answer["status"], &answer["error"]["code"]), (&status.into(), &code.into()), "{call}");
        assert_eq!(answer["error"], answer["body"], "{call}");
        assert_eq!(answer["headers"]["x-request-id"], answer["error"]["requestId"]);
        check_id(answer["error"]["requestId"].as_str().unwrap());
    }
    // Clocks may differ a little.
    for answer in sdk(plain(house), &[late(240), late(-240)]).await {
        assert_eq!(answer["status"], 200, "{answer}");
    }
}

#[tokio::test]
async fn the_sdk_comes_back_later_when_its_address_has_failed_too_often() {
    let config = "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[limits]\nfailed_authentications = 1";
    let config = Config::parse(config).unwrap();
    let house = House::start_with(Plan { config, ..Plan::default() }).await;
    let wrong = Key { secret: "wrong".to_owned(), ..house.member.clone() };
    let from = |key: &Key| {
        let mut call = vnc_url(key, RUNNING);
        call["headers"] = json!({ "X-Forwarded-For": "203.0.113.5" });
        call
    };
    let mut calls = vec![from(&wrong); 4];
    calls.push(from(&house.member));
    let answers = sdk(plain(&house), &calls).await;
    let limited = answers.iter().find(|answer| answer["status"] == 429).unwrap();
    assert_eq!(limited["error"]["code"], "REQUEST_LIMIT_EXCEEDED");
    assert_eq!(limited["tries"], 4, "the SDK tried again, as it does for this code alone");
    assert_eq!(answers[4]["status"], 200, "a correct signature passes all the same");
}

#[tokio::test]
async fn the_sdk_lists_instances_in_the_shape_of_each_service() {
    let house = House::start().await;
    house.instance("lab", "web-2", "Second", transom_model::instance::InstanceStatus::Stopped).await;
    let reader = &house.reader;
    let page = json!({ "pageSize": 1, "pageNum": 2 });
    let calls = [
        call(reader, "zec", "2025-09-01", "DescribeInstances", page.clone()),
        call(reader, "zec", "2024-04-01", "DescribeInstances", json!({ "status": "STOPPED" })),
        call(reader, "vm", "2026-04-01", "DescribeInstances", page),
        call(reader, "zec", "2025-09-01", "DescribeInstancesStatus", json!({})),
        call(reader, "vm", "2026-04-01", "DescribeInstancesStatus", json!({ "instanceIds": ["web-2"] })),
    ];
    let answers = sdk(plain(&house), &calls).await;
    for (answer, total) in answers.iter().zip([2, 1, 2, 2, 1]) {
        assert_eq!(answer["status"], 200, "{answer}");
        assert_eq!(answer["result"]["totalCount"], total);
    }
    let first = |answer: &Value| answer["result"]["dataSet"][0].clone();
    for (answer, status) in [(0, "status"), (1, "status"), (2, "instanceStatus")] {
        let item = first(&answers[answer]);
        assert_eq!(item["instanceId"], "web-2");
        assert_eq!(item["instanceName"], "Second");
        assert_eq!(item[status], "STOPPED");
        assert_eq!(item["resourceGroupName"], "lab");
        assert_eq!(item["publicIpAddresses"], json!([]));
        let made: &str = item["createTime"].as_str().unwrap();
        assert_eq!(made.len(), "2026-11-21T10:15:00Z".len(), "{made}");
    }
    assert_eq!(first(&answers[3]), json!({ "instanceId": "web-1", "instanceStatus": "RUNNING" }));
    assert_eq!(first(&answers[4]), json!({ "instanceId": "web-2", "instanceStatus": "STOPPED" }));
}

#[tokio::test]
async fn chromium_opens_the_url_that_the_sdk_was_given() {
    let house = House::start().await;
    let answers = sdk(plain(&house), &[vnc_url(&house.member, RUNNING)]).await;
    let opened = Command::new("node")
        .arg(root().join("web/e2e/console.mjs"))
        .arg(answers[0]["result"]["url"].as_str().unwrap())
        .args(["--type", "hello", "--changes", "--reload"])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(opened.status.success(), "{opened:?}");
    assert!(house.desktop.typed().contains("hello"), "{:?}", house.desktop.typed());
}
