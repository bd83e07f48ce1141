//! The origin of each audit record: the address that counts for budgets, and the program's
//! description of itself.

use http::header::{HeaderName, USER_AGENT};
use http::{HeaderValue, Method};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_testkit::api::{self, text};
use transom_testkit::server::Setup;
use transom_testkit::wait::within;
use transom_testkit::{Api, Opening, Script, TestServer, postgres};

use crate::stage::{Stage, refused};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The source of most callers and viewers.
const PLACE: &str = "192.0.2.9";
/// The program that they claim to be.
const PROGRAM: &str = "Test/1.0 (of the audit)";

/// Servers behind a trusted proxy, one on each database.
async fn stages() -> [Stage; 2] {
    let postgres = tokio::task::spawn_blocking(postgres::database).await.unwrap();
    [staged(TestServer::setup()).await, staged(TestServer::setup().database(postgres)).await]
}

async fn staged(setup: Setup) -> Stage {
    let setup = setup.config(|config| config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]);
    Stage::on(setup.start().await, Script::default()).await
}

fn handed_on(request: RequestBuilder, from: &str, program: &str) -> RequestBuilder {
    request.header(FORWARDED_FOR, from).header(USER_AGENT, program)
}

async fn called(api: &Api, path: &str, body: Value) -> Value {
    let request = api.request(Method::POST, path).json(&body);
    api::send(handed_on(request, PLACE, PROGRAM)).await.done()
}

fn viewer(stage: &Stage, from: &str) -> Opening {
    stage.server.viewer().header(FORWARDED_FOR, from).header(USER_AGENT, PROGRAM)
}

/// Exchanges a token or a ticket. Returns the ticket.
async fn exchanged(stage: &Stage, from: &str, question: Value) -> api::Answer {
    let request = stage.server.api().anonymous().request(Method::POST, "/console/exchange");
    api::send(handed_on(request.json(&question), from, PROGRAM)).await
}

async fn records(stage: &Stage, filter: &str) -> Vec<Value> {
    let path = format!("/api/v1/audit?limit=1000&{filter}");
    stage.server.api().get(&path).await.done()["items"].as_array().unwrap().clone()
}

/// Source and program of the only record of this action under a grant, once it exists.
async fn origin(stage: &Stage, grant: &str, action: &str) -> (Value, Value) {
    let mut found = within(action, async {
        loop {
            let mut records = records(stage, &format!("link={grant}")).await;
            records.retain(|record| record["action"] == action);
            if !records.is_empty() {
                break records;
            }
        }
    })
    .await;
    assert_eq!(found.len(), 1, "{found:?}");
    let record = found.remove(0);
    (record["source"].clone(), record["user_agent"].clone())
}

fn from(source: &str) -> (Value, Value) {
    (json!(source), json!(PROGRAM))
}

#[tokio::test]
async fn a_call_through_each_door_is_audited_with_its_address_and_program() {
    for stage in stages().await {
        let operator = stage.server.api();
        let key = operator.add_key("alpha", "member").await;
        let token = operator.post(&format!("/api/v1/keys/{}/token", key.id), json!({})).await.done();
        let (own, id) = (operator.with_key(&key), &stage.id);
        called(&own, &format!("{}/console", stage.server.instance_path(id)), json!({})).await;
        called(&own, "/cloud/1.1/static-address", json!({ "allowedActions": ["listen"] })).await;
        let action = json!({ "os-getVNCConsole": { "type": "novnc" } });
        called(&own, &format!("/v2.1/servers/{id}/action"), action).await;
        let zenlayer = operator.with_bearer(&text(&token, "token")).request(Method::POST, "/api/v2/zec");
        let zenlayer = zenlayer.header("x-zc-version", "2025-09-01").header("x-zc-action", "DescribeVncUrl");
        let zenlayer = zenlayer.json(&json!({ "instanceId": id }));
        api::send(handed_on(zenlayer, PLACE, PROGRAM)).await.done();

        let mut seen: Vec<_> = records(&stage, &format!("source={PLACE}")).await;
        for record in &seen {
            assert_eq!((record["source"].clone(), record["user_agent"].clone()), from(PLACE), "{record}");
        }
        seen.sort_by_key(|record| text(record, "dialect"));
        let seen: Vec<_> =
            seen.iter().map(|record| (text(record, "dialect"), text(record, "action"))).collect();
        let expected = [
            ("api", "link.create"),
            ("openstack", "link.create"),
            ("vnc-cloud", "address.create"),
            ("zenlayer", "link.create"),
        ];
        assert_eq!(seen, expected.map(|(dialect, action)| (dialect.to_owned(), action.to_owned())));
    }
}

#[tokio::test]
async fn a_console_is_audited_with_the_address_and_program_of_its_viewer() {
    for stage in stages().await {
        let link = stage.server.console(&stage.id).await;
        let answer = exchanged(&stage, PLACE, json!({ "token": link.token })).await.done();
        let opened = viewer(&stage, "2001:db8::7").ticket(&text(&answer, "ticket")).view().await;
        assert_eq!(origin(&stage, &link.grant, "session.start").await, from("2001:db8::7"));
        // A spent token is refused.
        exchanged(&stage, "192.0.2.66", json!({ "token": link.token })).await;
        assert_eq!(origin(&stage, &link.grant, "link.use").await, from("192.0.2.66"));
        // Another party has a copy of the ticket.
        assert_eq!(refused(viewer(&stage, "192.0.2.67").ticket(&text(&answer, "ticket"))).await[..3], *"403");
        assert_eq!(origin(&stage, &link.grant, "ticket.replay").await, from("192.0.2.67"));
        assert_eq!(origin(&stage, &link.grant, "session.end").await, from("2001:db8::7"));
        drop(opened);

        let raw = stage.server.console_with(&stage.id, json!({ "kind": "xvpvnc" })).await;
        let path = format!("/console?token={}", raw.token);
        let mut viewer = viewer(&stage, PLACE).path(&path).connect().await.unwrap();
        viewer.greet().await.unwrap();
        // No proxy forwards a CONNECT, so its source is its peer.
        assert_eq!(origin(&stage, &raw.grant, "session.start").await, from("127.0.0.1"));
    }
}

#[tokio::test]
async fn failed_consoles_and_leaving_pages_are_audited_with_their_viewer() {
    for stage in stages().await {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let body = json!({ "endpoint": format!("vnc://{closed}") });
        let nobody = stage.server.api().add_instance("alpha", body).await;
        let link = stage.server.console(&nobody).await;
        let told = viewer(&stage, PLACE).token(&link.token).origin(&stage.server.origin());
        told.open().await.unwrap().closed().await;
        assert_eq!(origin(&stage, &link.grant, "session.fail").await, from(PLACE));

        let link = stage.server.console(&stage.id).await;
        let answer = exchanged(&stage, PLACE, json!({ "token": link.token })).await.done();
        let ticket = text(&answer, "ticket");
        let opened = viewer(&stage, PLACE).ticket(&ticket).view().await;
        drop(opened);
        within("the session waits for its page", async {
            while stage.server.api().newest_session().await["state"] != "detached" {}
        })
        .await;
        // An old ticket of a waiting session is refused.
        for _ in 0..2 {
            exchanged(&stage, PLACE, json!({ "ticket": ticket })).await.done();
        }
        exchanged(&stage, "192.0.2.68", json!({ "ticket": ticket })).await;
        assert_eq!(origin(&stage, &link.grant, "ticket.replay").await, from("192.0.2.68"));
    }
}

#[tokio::test]
async fn a_source_is_accepted_only_from_a_trusted_proxy_and_finds_its_records() {
    let stage = Stage::set().await;
    let path = format!("{}/console", stage.server.instance_path(&stage.id));
    called(stage.server.api(), &path, json!({})).await;
    assert!(records(&stage, &format!("source={PLACE}")).await.is_empty());
    // Both notations of the address find it. Other texts are refused.
    for same in ["127.0.0.1", "::ffff:127.0.0.1"] {
        let found = records(&stage, &format!("source={same}")).await;
        let last = found.last().expect("a record");
        assert_eq!((&last["action"], &last["user_agent"]), (&json!("link.create"), &json!(PROGRAM)));
    }
    for wrong in ["127.0.0.0/8", "localhost", "", "127.0.0.1:80"] {
        let answer = stage.server.api().get(&format!("/api/v1/audit?source={wrong}")).await;
        assert_eq!(answer.to_string(), "400 invalid: source: invalid IP address syntax", "{wrong}");
    }
}

/// The response to a raw request.
async fn told(stage: &Stage, request: &[u8]) -> String {
    let mut stream = stage.server.viewer().bare().await;
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    within("an answer", async {
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut answer).await.unwrap() == 0 {
                break;
            }
        }
    })
    .await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_hostile_program_name_is_recorded_legibly_and_truncated() {
    for stage in stages().await {
        let hostile = format!("Evil\u{202e}/1\u{9b}31m\u{200b}{}", "\u{202e}ü".repeat(2_000));
        assert!(hostile.len() > 10_000);
        let kept = format!("Evil/131m{}", "ü".repeat(256 - "Evil/131m".len()));

        let path = format!("{}/console", stage.server.instance_path(&stage.id));
        let request = stage.server.api().request(Method::POST, &path).header(FORWARDED_FOR, PLACE);
        let value = HeaderValue::from_bytes(hostile.as_bytes()).unwrap();
        api::send(request.header(USER_AGENT, value).json(&json!({}))).await.done();
        let found = records(&stage, &format!("source={PLACE}")).await;
        assert_eq!(found[0]["user_agent"], kept, "{found:?}");

        // A viewer's raw request, with headers that no library would send.
        let link = stage.server.console_with(&stage.id, json!({ "kind": "xvpvnc", "uses": 0 })).await;
        let connect = |agent: &str| {
            format!("CONNECT /console?token={} HTTP/1.0\r\nUser-Agent: {agent}\r\n\r\n", link.token)
        };
        let answer = told(&stage, connect(&hostile).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        for agent in ["\u{1b}[2J", "a\u{7f}b", "a\rb"] {
            let answer = told(&stage, connect(agent).as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{agent:?}: {answer}");
        }
        // A name without legible characters counts as absent.
        let answer = told(&stage, connect("\u{202e}\u{200b}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        // Each has at least one record.
        let names = within("both are on record", async {
            loop {
                let mut under = records(&stage, &format!("link={}", link.grant)).await;
                under.retain(|record| record["actor"] == "viewer");
                let mut names: Vec<_> = under.iter().map(|record| record["user_agent"].clone()).collect();
                names.sort_by_key(Value::is_null);
                names.dedup();
                if names.len() >= 2 {
                    break names;
                }
            }
        })
        .await;
        assert_eq!(names, [json!(kept), json!(null)]);
    }
}
