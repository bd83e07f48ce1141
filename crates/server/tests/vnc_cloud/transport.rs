//! Versions, methods, credentials, and the rules for every answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use transom_model::EndReason;

use crate::stage::{NOBODY, Stage};

/// Returns the seven operations of version 1.1 on an address.
fn operations(address: &str) -> [(&'static str, String); 7] {
    let one = format!("1.1/static-address/{address}");
    [
        ("POST", "1.1/static-address".to_owned()),
        ("GET", "1.1/static-address".to_owned()),
        ("GET", format!("{one}/ready")),
        ("GET", one.clone()),
        ("PUT", one.clone()),
        ("POST", one.clone()),
        ("DELETE", one),
    ]
}

#[tokio::test]
async fn g2_g14_what_is_no_version_or_resource_is_404_without_a_body() {
    let stage = Stage::start().await;
    for path in [
        "",
        "1.1",
        "9.9/static-address",
        "1.2/static-address",
        "1.1/dynamic-address",
        "1.1/static-address/",
        "1.1/static-address/a/b",
    ] {
        for method in ["GET", "POST", "PATCH"] {
            let answer = stage.ask(method, path).send().await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, ""), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn g3_version_1_0_has_everything_but_the_list() {
    let stage = Stage::start().await;
    let list = stage.ask("GET", "1.0/static-address").send().await;
    assert_eq!(list.outcome(), (404, None));
    let made = stage.ask("POST", "1.0/static-address").json(r#"{"allowedActions":["connect"]}"#).send().await;
    assert_eq!(made.status, 201);
    let address = made.value()["cloudAddress"].as_str().unwrap().to_owned();
    let path = format!("1.0/static-address/{address}");
    let body = format!(r#"{{"cloudAddress":"{address}","allowedActions":["listen"]}}"#);
    assert_eq!(stage.ask("GET", &format!("{path}/ready")).send().await.status, 200);
    assert_eq!(stage.ask("GET", &path).send().await.status, 200);
    assert_eq!(stage.ask("PUT", &path).json(&body).send().await.status, 200);
    assert_eq!(stage.ask("POST", &path).send().await.status, 200);
    assert_eq!(stage.ask("DELETE", &path).send().await.status, 204);
    let answer = stage.ask("PUT", "1.0/static-address").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn g4_u3_another_method_is_405_and_head_is_get_without_its_body() {
    let stage = Stage::start().await;
    let (address, _) = stage.address(r#"{"allowedActions":["connect"]}"#).await;
    let one = format!("1.1/static-address/{address}");
    for (method, path, allow) in [
        ("PUT", "1.1/static-address", "GET, HEAD, POST"),
        ("DELETE", "1.1/static-address", "GET, HEAD, POST"),
        ("PATCH", &one, "GET, HEAD, PUT, POST, DELETE"),
        ("OPTIONS", &one, "GET, HEAD, PUT, POST, DELETE"),
        ("POST", &format!("{one}/ready"), "GET, HEAD"),
    ] {
        let answer = stage.ask_as_nobody(method, path).send().await;
        assert_eq!((answer.outcome(), answer.header("allow")), ((405, None), Some(allow)), "{method} {path}");
    }
    for path in ["1.1/static-address", &one, &format!("{one}/ready")] {
        let (get, head) = (stage.ask("GET", path).send().await, stage.ask("HEAD", path).send().await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""));
        for header in ["content-length", "content-type", "etag"] {
            assert_eq!(head.header(header), get.header(header), "{path} {header}");
        }
    }
}

#[tokio::test]
async fn g5_g6_g10_g11_g12_without_a_valid_key_and_secret_every_operation_is_401() {
    let stage = Stage::start().await;
    let (address, _) = stage.address(r#"{"allowedActions":["connect"]}"#).await;
    let before = stage.get(&address).await;
    let (id, secret) = (&stage.key.id, &stage.key.secret);
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let unknown = transom_model::access_key::AccessKeyId::from_random([9; 22]);
    let wrong = [
        None,
        Some(String::new()),
        Some("Basic".to_owned()),
        Some("Basic !!!".to_owned()),
        Some(basic(id)),
        Some(basic(&format!(":{secret}"))),
        Some(format!("Bearer {}", STANDARD.encode(format!("{id}:{secret}")))),
        Some(format!("Bearer {}", stage.server.admin().token)),
        Some(format!("Digest username={id}")),
        Some(basic(&format!("{id}:"))),
        Some(basic(&format!("{id}:{secret}x"))),
        Some(basic(&format!("{unknown}:{secret}"))),
    ];
    for (method, path) in operations(&address) {
        for authorization in &wrong {
            let ask = stage.ask_as_nobody(method, &path).json(r#"{"allowedActions":["connect"]}"#);
            let ask = match authorization {
                Some(value) => ask.header("authorization", value),
                None => ask,
            };
            let answer = ask.send().await;
            assert_eq!(answer.outcome(), (401, None), "{method} {path} {authorization:?}");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Basic realm="), "{challenge}");
        }
    }
    assert_eq!(stage.get(&address).await.header("etag"), before.header("etag"));
    // The scheme's name may be written in any case.
    let lower = basic(&format!("{id}:{secret}")).replace("Basic", "bAsIc");
    let answer =
        stage.ask_as_nobody("GET", "1.1/static-address").header("authorization", &lower).send().await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn g11_a_revoked_key_is_401_and_a_second_secret_sees_the_same_addresses() {
    let stage = Stage::start().await;
    let (address, _) = stage.address(r#"{"allowedActions":["connect"]}"#).await;
    let operator = |path: &str| {
        let token = stage.server.admin().token.clone();
        stage.http.post(format!("{}/api/v1/keys/{}{path}", stage.url, stage.key.id)).bearer_auth(token)
    };
    let rotated: serde_json::Value = operator("/rotate").send().await.unwrap().json().await.unwrap();
    let second =
        crate::stage::Key { secret: rotated["secret"].as_str().unwrap().into(), ..stage.key.clone() };
    let path = format!("1.1/static-address/{address}");
    assert_eq!(stage.ask_as(&second, "GET", &path).send().await.status, 200);
    let revoke = stage.http.delete(format!("{}/api/v1/keys/{}", stage.url, stage.key.id));
    let revoked = revoke.bearer_auth(&stage.server.admin().token).send().await.unwrap();
    assert_eq!(revoked.status(), 200);
    for key in [&stage.key, &second] {
        assert_eq!(stage.ask_as(key, "GET", &path).send().await.outcome(), (401, None));
    }
}

#[tokio::test]
async fn g13_a_malformed_key_is_403_on_every_operation() {
    let stage = Stage::start().await;
    let typo = format!("{}x", &stage.key.id[..stage.key.id.len() - 1]);
    for id in ["key", "", &typo, &stage.key.id.to_lowercase()].into_iter().filter(|id| !id.is_empty()) {
        let key = crate::stage::Key { id: id.to_owned(), ..stage.key.clone() };
        for (method, path) in operations(NOBODY) {
            let answer = stage.ask_as(&key, method, &path).send().await;
            assert_eq!(answer.outcome(), (403, None), "{id} {method} {path}");
        }
    }
}

#[tokio::test]
async fn a_reader_reads_and_gets_401_for_everything_else() {
    let stage = Stage::start().await;
    let reader = stage.another_key("reader").await;
    for (method, path) in operations(NOBODY) {
        let body = r#"{"allowedActions":["connect"]}"#;
        let answer = stage.ask_as(&reader, method, &path).json(body).send().await;
        let expected = match (method, path.as_str()) {
            ("GET", "1.1/static-address") => 204,
            ("GET", _) => 404,
            _ => 401,
        };
        assert_eq!(answer.outcome(), (expected, None), "{method} {path}");
    }
}

#[tokio::test]
async fn g15_while_the_node_drains_every_operation_is_503_with_retry_after() {
    let stage = Stage::start().await;
    let (address, _) = stage.address(r#"{"allowedActions":["connect"]}"#).await;
    stage.server.app().live.close(&EndReason::ShuttingDown.into());
    for (method, path) in operations(&address) {
        let answer = stage.ask(method, &path).json(r#"{"allowedActions":["connect"]}"#).send().await;
        assert_eq!(
            (answer.outcome(), answer.header("retry-after")),
            ((503, None), Some("1")),
            "{method} {path}"
        );
    }
}
