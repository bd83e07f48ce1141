//! The life of one address: ready, get, change, reset, delete.

use crate::stage::{NOBODY, Stage, groups};

const CONNECT: &str = r#"{"allowedActions":["connect"],"groups":["b","a","b"]}"#;

fn on(address: &str) -> String {
    format!("1.1/static-address/{address}")
}

impl Stage {
    /// Waits until the address's current state is in force, and checks every answer.
    async fn until_ready(&self, address: &str) {
        loop {
            let answer = self.ask("GET", &format!("{}/ready", on(address))).send().await;
            assert_eq!(answer.status, 200);
            match answer.body.as_str() {
                r#"{"changes":"none"}"# => return,
                r#"{"changes":"pending"}"# => tokio::task::yield_now().await,
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn g9_r1_r2_r4_u17_p8_every_change_is_soon_in_force() {
    let stage = Stage::start().await;
    let (address, _) = stage.address(CONNECT).await;
    stage.until_ready(&address).await;
    let body = format!(r#"{{"cloudAddress":"{address}","allowedActions":["listen"]}}"#);
    assert_eq!(stage.put(&address, &body).await.status, 200);
    // L15: the list contains it, whether or not it is already in force.
    assert!(stage.ask("GET", "1.1/static-address").send().await.body.contains(&address));
    stage.until_ready(&address).await;
    assert_eq!(stage.ask("POST", &on(&address)).send().await.status, 200);
    stage.until_ready(&address).await;
}

#[tokio::test]
async fn r5_r6_r7_d10_d11_d12_p5_p6_p10_x3_x4_x5_faults_on_one_address() {
    let stage = Stage::start().await;
    let (address, _) = stage.address(CONNECT).await;
    let other = stage.another_key("member").await;
    let before = stage.get(&address).await;
    for (method, suffix) in [("GET", "/ready"), ("GET", ""), ("POST", "")] {
        let ask = stage.ask(method, &format!("{}{suffix}", on(&address))).header("accept", "text/html");
        assert_eq!(ask.send().await.outcome(), (400, Some(1002)), "{method} {suffix}");
    }
    assert_eq!(stage.get(&address).await.header("etag"), before.header("etag"), "P5: no password was reset");
    for (method, suffix) in [("GET", "/ready"), ("GET", ""), ("POST", ""), ("DELETE", ""), ("PUT", "")] {
        let ask = |key, of: &str| stage.ask_as(key, method, &format!("{}{suffix}", on(of))).json("{}");
        for malformed in [
            "not-an-address",
            "a.b.c.d",
            &NOBODY.replace('.', "%2F"),
            &format!("{NOBODY}%00"),
            &format!("{NOBODY}."),
            &format!("{NOBODY}%20"),
            &NOBODY[20..],
        ] {
            let outcome = ask(&stage.key, malformed).send().await.outcome();
            assert_eq!(outcome, (400, Some(1007)), "{method} {malformed}");
        }
        // U16: an unknown address takes precedence over If-Match, and another key's address is
        // unknown.
        let stale = |key, of: &str| ask(key, of).header("if-match", "\"77\"");
        assert_eq!(stale(&stage.key, NOBODY).send().await.outcome(), (404, None), "{method}");
        assert_eq!(stale(&other, &address).send().await.outcome(), (404, None), "{method}");
    }
    let ask = stage.ask("DELETE", &on(&address)).header("accept", "text/html");
    assert_eq!(ask.send().await.outcome(), (204, None));
    for (method, suffix) in [("DELETE", ""), ("GET", ""), ("GET", "/ready"), ("PUT", ""), ("POST", "")] {
        let ask = stage.ask(method, &format!("{}{suffix}", on(&address))).json("{}");
        assert_eq!(ask.send().await.outcome(), (404, None), "X7: {method} {suffix}");
    }
}

#[tokio::test]
async fn d1_d2_d3_d4_d5_d6_d9_what_get_shows() {
    let stage = Stage::start().await;
    let (address, password) = stage.address(CONNECT).await;
    let got = stage.get(&address).await;
    assert_eq!((got.status.as_u16(), got.header("etag")), (200, Some("\"1\"")));
    let expected =
        format!(r#"{{"cloudAddress":"{address}","allowedActions":["connect"],"groups":["b","a"]}}"#);
    assert_eq!(got.body, expected);
    assert!(!got.body.contains(&password));
    assert_eq!(stage.get(&address).await.header("etag"), Some("\"1\""), "reading does not change it");
    let (address, _) = stage.address(r#"{"allowedActions":["listen"]}"#).await;
    let expected = format!(r#"{{"cloudAddress":"{address}","allowedActions":["listen"]}}"#);
    assert_eq!(stage.get(&address).await.body, expected);
    let only_groups = r#"{"allowedActions":["listen"],"accessControl":{"groups":["x"]}}"#;
    let (address, _) = stage.address(only_groups).await;
    assert_eq!(stage.get(&address).await.value()["accessControl"], serde_json::json!({"groups":["x"]}));
}

#[tokio::test]
async fn u2_u4_u5_u6_u7_u9_u10_u14_a_change_replaces_everything() {
    let stage = Stage::start().await;
    let (address, _) = stage.address(CONNECT).await;
    let whole = |rest: &str| format!(r#"{{"cloudAddress":"{address}",{rest}}}"#);
    let bare = whole(r#""allowedActions":["connect"]"#);
    let put = stage.ask("PUT", &on(&address)).header("accept", "text/html").json(&bare).send().await;
    assert_eq!((put.outcome(), put.header("content-length")), ((200, None), Some("0")));
    assert_eq!(
        (put.header("etag"), stage.get(&address).await.body),
        (Some("\"2\""), bare.clone()),
        "groups are gone"
    );
    let listen =
        whole(&format!(r#""allowedActions":["listen"],"accessControl":{{"groups":{}}}"#, groups(24)));
    assert_eq!(stage.put(&address, &listen).await.status, 200);
    assert_eq!(stage.get(&address).await.body, listen);
    assert_eq!(stage.put(&address, &whole(r#""allowedActions":["listen"]"#)).await.status, 200);
    assert!(stage.get(&address).await.value().get("accessControl").is_none());
    let version = stage.get(&address).await.header("etag").unwrap().to_owned();
    for other in [NOBODY, "nonsense", "", &address.to_uppercase(), &format!("{address} ")] {
        let body = format!(r#"{{"cloudAddress":"{other}","allowedActions":["listen"]}}"#);
        assert_eq!(stage.put(&address, &body).await.outcome(), (409, None), "{other}");
    }
    for (body, outcome) in [
        (r#"{"allowedActions":["listen"]}"#.to_owned(), (400, None)),
        (r#"{"cloudAddress":null,"allowedActions":["listen"]}"#.to_owned(), (400, None)),
        (whole(r#""allowedActions":["x"],"groups":[]"#), (400, Some(1003))),
        (whole(&format!(r#""allowedActions":["connect"],"groups":{}"#, groups(17))), (400, Some(1004))),
        (whole(r#""allowedActions":["connect"],"groups":[]"#), (400, Some(1005))),
        (whole(r#""allowedActions":["listen"],"groups":[""]"#), (400, Some(1006))),
        (whole(r#""allowedActions":["listen"],"accessControl":{}"#), (400, Some(1008))),
        (whole(r#""allowedActions":["connect"],"accessControl":{}"#), (400, Some(1009))),
        (format!(r#"{{"cloudAddress":"{NOBODY}","allowedActions":["x"]}}"#), (400, Some(1003))),
    ] {
        assert_eq!(stage.put(&address, &body).await.outcome(), outcome, "U11, U12: {body}");
    }
    let untyped = stage.ask("PUT", &on(&address)).body(&bare).send().await;
    assert_eq!(untyped.outcome(), (400, Some(1001)));
    let untyped = stage.ask("PUT", "1.1/static-address/nonsense").body("{}").send().await;
    assert_eq!(untyped.outcome(), (400, Some(1001)), "U13: 1001 before 1007");
    assert_eq!(stage.get(&address).await.header("etag"), Some(&*version), "it was not changed");
}

#[tokio::test]
async fn u1_u8_u15_p1_p7_p9_x1_x6_if_match_guards_change_reset_and_delete() {
    let stage = Stage::start().await;
    let (address, _) = stage.address(CONNECT).await;
    let body = format!(r#"{{"cloudAddress":"{address}","allowedActions":["connect"]}}"#);
    let methods = ["PUT", "POST", "DELETE"];
    let ask = |method: &str, tag: &str| stage.ask(method, &on(&address)).header("if-match", tag).json(&body);
    for tag in ["\"2\"", "W/\"2\"", "\"2-gzip\"", "\"x\"", "\"01\"", ""] {
        for method in methods {
            assert_eq!(ask(method, tag).send().await.outcome(), (412, None), "{method} {tag}");
        }
    }
    let mismatched =
        stage.ask("PUT", &on(&address)).header("if-match", "\"9\"").json("nonsense").send().await;
    assert_eq!(mismatched.outcome(), (412, None), "the condition before the content");
    assert_eq!(stage.get(&address).await.header("etag"), Some("\"1\""));
    // Of two callers with the same tag the second is late, for any change. The tag is accepted as
    // GET prints it.
    assert_eq!(ask("POST", "\"1\"").send().await.outcome(), (200, None));
    assert_eq!(ask("POST", "\"1\"").send().await.outcome(), (412, None));
    assert_eq!(ask("PUT", "\"1\", \"2\"").send().await.outcome(), (200, None));
    assert_eq!(ask("PUT", "3").send().await.outcome(), (200, None));
    assert_eq!(ask("PUT", "*").send().await.outcome(), (200, None));
    assert_eq!(
        stage.get(&address).await.header("etag"),
        Some("\"5\""),
        "a change to the same values counts, too"
    );
    // Proxies that compress rewrite the tag like this.
    assert_eq!(ask("PUT", "W/\"5\"").send().await.outcome(), (200, None));
    assert_eq!(ask("POST", "\"6-gzip\"").send().await.outcome(), (200, None));
    assert_eq!(ask("POST", "\"6-gzip\"").send().await.outcome(), (412, None));
    assert_eq!(ask("DELETE", "W/\"7\"").send().await.outcome(), (204, None));
}

#[tokio::test]
async fn what_has_a_tag_asks_to_be_passed_on_as_it_is() {
    let stage = Stage::start().await;
    let made = stage.create(CONNECT).await;
    let address = made.value()["cloudAddress"].as_str().unwrap().to_owned();
    let whole = format!(r#"{{"cloudAddress":"{address}","allowedActions":["connect"]}}"#);
    let reset = stage.ask("POST", &on(&address)).send().await;
    for answer in [made, stage.get(&address).await, stage.put(&address, &whole).await, reset] {
        assert!(answer.header("etag").is_some(), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store, no-transform"), "{answer:?}");
    }
}

#[tokio::test]
async fn p2_p3_p4_x2_a_reset_ignores_its_body_and_shows_a_new_password() {
    let stage = Stage::start().await;
    let (address, first) = stage.address(CONNECT).await;
    let mut seen = vec![first];
    for content_type in ["text/plain", "application/json", "application/x-www-form-urlencoded"] {
        let ask = stage.ask("POST", &on(&address)).header("content-type", content_type).body("whatever");
        let reset = ask.send().await;
        assert_eq!(reset.status, 200);
        let value = reset.value();
        assert_eq!((value.as_object().unwrap().len(), value["cloudAddress"].as_str()), (2, Some(&*address)));
        let password = value["cloudPassword"].as_str().unwrap().to_owned();
        assert!(!seen.contains(&password));
        seen.push(password);
    }
    let deleted = stage.ask("DELETE", &on(&address)).send().await;
    assert_eq!((deleted.outcome(), deleted.header("content-type")), ((204, None), None));
}
