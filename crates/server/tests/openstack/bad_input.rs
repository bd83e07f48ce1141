//! Requests that no client sends: each gets this API's own fault.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use transom_app::Call;
use transom_app::consoles::open::ConsoleRequest;
use transom_model::access_key::Role;
use transom_model::console_kind::ConsoleKind;
use transom_model::dialect::Dialect;
use transom_model::grant::Rights;

use crate::house::{Answer, FOREIGN, House, Key, PROJECT, RUNNING, answer, operator};

const MALFORMED_AUTH: &str = "Invalid request body: unable to parse Auth data.";

async fn console_token(house: &House, dialect: Dialect) -> String {
    let request = ConsoleRequest {
        kind: ConsoleKind::Websocket,
        rights: Rights::default(),
        ttl: None,
        uses: None,
        ends_after: None,
    };
    let call = Call { dialect, ..operator() };
    let instance = RUNNING.parse().unwrap();
    let opened = house.server.app().consoles.open_console(&call, PROJECT, &instance, request).await;
    opened.unwrap().token.expose().to_owned()
}

fn by(request: RequestBuilder, key: &Key) -> RequestBuilder {
    request.basic_auth(&key.id, Some(&key.secret))
}

#[tokio::test]
async fn a_console_token_of_another_dialect_is_no_token_of_nova() {
    let house = House::start().await;
    let admin = house.key(PROJECT, Role::Admin).await;
    let ask = |token: &str| {
        let request = house.request(Method::GET, &format!("/v2.1/os-console-auth-tokens/{token}"));
        answer(by(request, &admin).header("openstack-api-version", "compute 2.31"))
    };
    let own = console_token(&house, Dialect::Openstack).await;
    assert_eq!(ask(&own).await.status, 200);
    for dialect in [Dialect::Zenlayer, Dialect::Api, Dialect::VncCloud] {
        let token = console_token(&house, dialect).await;
        let missing = json!({"itemNotFound": {"code": 404, "message": "Token not found"}});
        assert_eq!(ask(&token).await.body, missing, "{dialect}");
    }
}

#[tokio::test]
async fn what_proves_something_at_another_door_proves_nothing_here() {
    let house = House::start().await;
    let console = console_token(&house, Dialect::Openstack).await;
    let ask = |name: &'static str, value: String| {
        answer(house.request(Method::GET, "/v2.1/servers").header(name, value))
    };
    let signed = format!(
        "ZC2-HMAC-SHA256 Credential={}, SignedHeaders=content-type;host, Signature={}",
        house.member.id,
        "0".repeat(64)
    );
    for (name, value) in [
        ("x-auth-token", console.clone()),
        ("x-auth-token", house.member.secret.clone()),
        ("x-auth-token", String::new()),
        ("authorization", format!("Bearer {console}")),
        ("authorization", signed),
        ("authorization", "Basic".to_owned()),
        ("authorization", "Basic ????".to_owned()),
        ("authorization", "Basic bm9jb2xvbg==".to_owned()),
    ] {
        assert_eq!(ask(name, value.clone()).await.status, 401, "{name}: {value}");
    }
    // The operator's token belongs to no project, so it has to name one.
    let token = house.server.admin().token.clone();
    assert_eq!(ask("x-auth-token", token).await.status, 400);
}

#[tokio::test]
async fn a_header_that_comes_twice_or_not_at_all_is_told() {
    let house = House::start().await;
    let token = house.token(&house.member).await;
    let servers = || house.request(Method::GET, "/v2.1/servers");
    let twice = by(servers(), &house.member);
    assert_eq!(answer(by(twice, &house.member)).await.status, 401);
    assert_eq!(answer(servers().header("x-auth-token", b"\xff".as_slice())).await.status, 401);
    let tokens = || house.request(Method::GET, "/v3/auth/tokens").header("x-auth-token", &token);
    let missing = json!({"error": {"code": 404, "title": "Not Found", "message": "Could not find token."}});
    assert_eq!(answer(tokens()).await.body, missing);
    let twice = tokens().header("x-subject-token", &token).header("x-subject-token", &token);
    assert_eq!(answer(twice).await.body, missing);
    let nobody = house.request(Method::GET, "/v3/auth/tokens").header("x-subject-token", &token);
    assert_eq!(answer(nobody).await.status, 401);
    // The new header takes precedence over the old one, and a header for another service has no
    // effect.
    let both = by(servers(), &house.member).header("openstack-api-version", "compute 2.31");
    let both = answer(both.header("x-openstack-nova-api-version", "2.5")).await;
    assert_eq!(both.header("openstack-api-version"), "compute 2.31");
    let other = answer(by(servers(), &house.member).header("openstack-api-version", "volume 3.1")).await;
    assert_eq!(other.header("openstack-api-version"), "compute 2.1");
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_much_of_it_is_told_by_every_service() {
    let house = House::start().await;
    let remote = "/v2.1/servers/web-1/remote-consoles";
    let post = async |path: &str, body: Vec<u8>| -> Answer {
        let request = by(house.request(Method::POST, path), &house.member);
        let request = request.header("openstack-api-version", "compute 2.6");
        answer(request.header("content-type", "application/json").body(body)).await
    };
    let deep = format!("{{\"auth\":{}{}}}", "[".repeat(8_000), "]".repeat(8_000));
    for body in [
        &b""[..],
        b"null",
        b"[]",
        b"{",
        b"7",
        b"\"auth\"",
        b"{\"auth\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        deep.as_bytes(),
    ] {
        for (path, name) in
            [("/v3/auth/tokens", "error"), ("/v2.0/tokens", "badRequest"), (remote, "badRequest")]
        {
            let refused = post(path, body.to_vec()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            assert_eq!((refused.status, &refused.body[name]["code"]), (400, &json!(400)), "{path} {shown}");
        }
    }
    let large = vec![b' '; 10 * 1024 * 1024];
    for (path, name) in [("/v3/auth/tokens", "error"), ("/v2.0/tokens", "overLimit"), (remote, "overLimit")] {
        let refused = post(path, large.clone()).await;
        assert_eq!((refused.status, &refused.body[name]["code"]), (413, &json!(413)), "{path}");
    }
    let odd =
        post("/v2.0/tokens", br#"{"auth":{"passwordCredentials":{"username":7,"password":[]}}}"#.to_vec())
            .await;
    assert_eq!(odd.body["badRequest"]["message"], MALFORMED_AUTH);
}

#[tokio::test]
async fn another_projects_servers_and_tokens_do_not_exist() {
    let house = House::start().await;
    let stranger = house.key("other", Role::Admin).await;
    let theirs = house.token(&stranger).await;
    let own = house.token(&house.member).await;
    for method in [Method::GET, Method::DELETE] {
        let request = house.request(method, "/v3/auth/tokens").header("x-auth-token", &own);
        assert_eq!(answer(request.header("x-subject-token", &theirs)).await.status, 404);
    }
    let path = format!("/v2.1/servers/{FOREIGN}");
    assert_eq!(house.call(Method::GET, &path, "").await.status, 404);
    let other = house.server.app().access.project(&operator(), "other").await.unwrap().id;
    for project in [other.to_string(), "other".to_owned(), "nowhere".to_owned()] {
        for path in [format!("/v2.1/{project}/servers"), format!("/v2/{project}/servers")] {
            let refused = house.call(Method::GET, &path, "").await;
            assert_eq!(refused.status, 400, "{path}");
            let message = refused.body["badRequest"]["message"].as_str().unwrap();
            assert!(message.starts_with("Malformed request URL: URL's project_id"), "{message}");
        }
    }
    let scope = json!({"project": {"id": other.to_string()}});
    let auth: Value = json!({"auth": {"scope": scope, "identity": {"methods": ["password"], "password":
        {"user": {"id": house.member.id, "password": house.member.secret}}}}});
    assert_eq!(answer(house.request(Method::POST, "/v3/auth/tokens").json(&auth)).await.status, 401);
}
