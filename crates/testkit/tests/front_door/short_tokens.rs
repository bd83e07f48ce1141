//! API tokens with a lifetime of a minute: the lifetime of everything that a thief could create
//! with one.

use http::Method;
use serde_json::{Value, json};
use transom_testkit::api::{Answer, config, send, text};
use transom_testkit::{Api, Instance, Key, Script, TestServer, postgres};

use crate::stage::assert_live;

const NEEDS_SECRET: &str = "403 forbidden: this needs the access key's own secret, because a token cannot create anything that outlives it";

async fn servers() -> [TestServer; 2] {
    let repeater = config("[repeater]\ndevices = \"127.0.0.1:0\"\nviewers = \"127.0.0.1:0\"").repeater;
    let setup = || TestServer::setup().config(|config| config.repeater = repeater);
    [setup().start().await, setup().database(postgres::database()).start().await]
}

/// A caller with a token of this key, and the token's expiry.
async fn holder(server: &TestServer, key: &Key, seconds: u64) -> (Api, String) {
    let path = format!("/api/v1/keys/{}/token", key.id);
    let made = server.api().with_key(key).post(&path, json!({ "ttl_seconds": seconds })).await.done();
    (server.api().with_bearer(&text(&made, "token")), text(&made, "expires_at"))
}

#[tokio::test]
async fn a_token_creates_no_secret_that_outlives_it_but_the_keys_secret_may() {
    for server in servers().await {
        let admin = server.api().add_key("alpha", "admin").await;
        let own = server.api().with_key(&admin);
        let (token, _) = holder(&server, &admin, 60).await;
        // The token is not the operator's, so the metrics stay hidden from it.
        let figures = token.request(Method::GET, "/metrics").header("host", "metrics.example");
        assert_eq!(send(figures).await.status, 401);
        let made = own.post("/api/v1/addresses", json!({ "key": admin.id, "action": "listen" })).await.done();
        let address = format!("/api/v1/addresses/{}", text(&made, "cloudAddress"));
        for (path, body) in [
            ("/api/v1/keys".to_owned(), json!({ "project": "alpha", "name": "x", "role": "admin" })),
            (format!("/api/v1/keys/{}/rotate", admin.id), Value::Null),
            ("/api/v1/addresses".to_owned(), json!({ "key": admin.id, "action": "listen" })),
            (format!("{address}/repeater-ticket"), json!({})),
            (format!("{address}/reset"), json!({})),
            ("/api/v1/enrollments".to_owned(), json!({ "key": admin.id, "count": 1 })),
            (format!("/api/v1/keys/{}/retire", admin.id), Value::Null),
        ] {
            assert_eq!(token.post(&path, body.clone()).await.to_string(), NEEDS_SECRET, "{path}");
            let done = own.post(&path, body).await;
            assert!((200..300).contains(&done.status), "{path}: {done}");
        }
        let record = server.api().get("/api/v1/audit?limit=1000").await.text;
        assert_eq!(record.matches("\"key.create\"").count(), 2, "a refused call has changed nothing");
    }
}

#[tokio::test]
async fn a_link_created_with_a_token_opens_only_while_the_token_is_valid() {
    for server in servers().await {
        let machine = Instance::start(Script::default()).await;
        let id = server.add(&machine).await;
        let member = server.api().add_key("alpha", "member").await;
        let (hour, _) = holder(&server, &member, 3600).await;
        let usual = hour.try_console("alpha", &id, json!({})).await.done();
        let (minute, until) = holder(&server, &member, 90).await;
        let week =
            minute.try_console("alpha", &id, json!({ "ttl_seconds": 604_800, "uses": 0 })).await.done();
        assert_eq!(text(&week, "expires_at"), until);
        let whole = minute.try_console("alpha", &id, json!({ "ttl_seconds": 60 })).await.done();
        assert!(text(&whole, "expires_at") < until, "it is not lengthened either: {whole}");
        for made in [usual, week, whole] {
            let url = text(&made, "url");
            let token = url.split_once("token=").unwrap().1;
            let mut viewer = server.viewer().token(token).view().await;
            assert_live(&mut viewer, &mut machine.guest().await).await;
        }
        // A viewer id is valid for five minutes, and no longer than the token.
        let body = json!({ "key": member.id, "action": "listen" });
        let address = server.api().post("/api/v1/addresses", body).await.done();
        let path = format!("/api/v1/addresses/{}/repeater-viewer", text(&address, "cloudAddress"));
        assert_eq!(text(&minute.post(&path, json!({})).await.done(), "expires_at"), until);
    }
}

/// Requests a token with another one at the identity service.
async fn got_for(api: &Api, token: &str) -> Result<String, u16> {
    let auth = json!({ "auth": { "identity": { "methods": ["token"], "token": { "id": token } } } });
    let answer = api.anonymous().post("/v3/auth/tokens", auth).await;
    let subject = answer.headers.get("x-subject-token").ok_or(answer.status)?;
    Ok(subject.to_str().unwrap().to_owned())
}

async fn lists(api: &Api, token: &str) -> u16 {
    let request = api.anonymous().request(Method::GET, "/v3/auth/projects").header("x-auth-token", token);
    request.send().await.unwrap().status().as_u16()
}

async fn revoked(api: &Api, token: &str) -> Answer {
    let request = api.anonymous().request(Method::DELETE, "/v3/auth/tokens");
    let answer = request.header("x-auth-token", token).header("x-subject-token", token).send().await.unwrap();
    Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), text: String::new() }
}

#[tokio::test]
async fn a_token_ends_with_every_token_in_the_chain_that_led_to_it() {
    for server in servers().await {
        let api = server.api();
        let member = api.add_key("alpha", "member").await;
        let path = format!("/api/v1/keys/{}/token", member.id);
        let issue = async || text(&api.with_key(&member).post(&path, json!({})).await.done(), "token");
        let (root, other) = (issue().await, issue().await);
        let child = got_for(api, &root).await.unwrap();
        let grandchild = got_for(api, &child).await.unwrap();
        let native = api.with_bearer(&grandchild).post(&path, json!({})).await.done();
        let native = text(&native, "token");
        let beside = got_for(api, &root).await.unwrap();
        assert_eq!(revoked(api, &child).await.status, 204);
        for (token, status) in
            [(&root, 200), (&child, 401), (&grandchild, 401), (&native, 401), (&beside, 200), (&other, 200)]
        {
            assert_eq!(lists(api, token).await, status);
        }
        assert_eq!(got_for(api, &grandchild).await, Err(401));
        assert_eq!(revoked(api, &root).await.status, 204);
        assert_eq!((lists(api, &beside).await, lists(api, &other).await), (401, 200));
    }
}
