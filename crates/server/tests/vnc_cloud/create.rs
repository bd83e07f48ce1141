//! Creating addresses.

use std::collections::HashSet;

use crate::stage::{NOBODY, Stage, addresses, groups};

/// A body that creates an address which connects.
const CONNECT: &str = r#"{"allowedActions":["connect"]}"#;

async fn expect(stage: &Stage, body: &str, outcome: (u16, Option<u64>)) {
    assert_eq!(stage.create(body).await.outcome(), outcome, "{body}");
}

#[tokio::test]
async fn c1_c17_c18_c19_c21_a_new_address_and_its_password() {
    let stage = Stage::start().await;
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let made = stage.create(CONNECT).await;
        assert_eq!(made.status, 201);
        let value = made.value();
        let members = value.as_object().unwrap();
        assert_eq!(members.keys().collect::<Vec<_>>(), ["cloudAddress", "cloudPassword"]);
        let address = value["cloudAddress"].as_str().unwrap();
        let parts: Vec<_> = address.split('.').collect();
        assert!(parts.len() == 4 && parts.iter().all(|part| part.len() == 19), "{address}");
        let password = value["cloudPassword"].as_str().unwrap();
        assert!(password.len() == 20 && password.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(seen.insert(address.to_owned()) && seen.insert(password.to_owned()));
        let location = format!("https://cloud.example/cloud/1.1/static-address/{address}");
        assert_eq!(made.header("location"), Some(&*location));
        assert_eq!(made.header("etag"), Some("\"1\""));
    }
}

#[tokio::test]
async fn c2_c5_c6_c7_c24_c26_exactly_one_action_is_mandatory() {
    let stage = Stage::start().await;
    expect(&stage, "{}", (400, None)).await;
    expect(&stage, r#"{"groups":["a"]}"#, (400, None)).await;
    expect(&stage, r#"{"allowedActions":"connect"}"#, (400, None)).await;
    expect(&stage, r#"{"allowedActions":null}"#, (400, None)).await;
    expect(&stage, r#"{"allowedActions":[1]}"#, (400, None)).await;
    for wrong in [
        r#"["view"]"#,
        r#"["Connect"]"#,
        r#"["connect","x"]"#,
        r#"["connect","listen"]"#,
        r#"["listen","listen"]"#,
    ] {
        expect(&stage, &format!(r#"{{"allowedActions":{wrong}}}"#), (400, Some(1003))).await;
    }
    expect(&stage, r#"{"allowedActions":[]}"#, (400, Some(1005))).await;
    assert_eq!(stage.ask("GET", "1.1/static-address").send().await.status, 204, "no address was created");
}

#[tokio::test]
async fn c8_c9_c10_c25_c27_groups_of_a_connect_address() {
    let stage = Stage::start().await;
    let with = |groups: &str| format!(r#"{{"allowedActions":["connect"],"groups":{groups}}}"#);
    for count in [1, 16] {
        expect(&stage, &with(&groups(count)), (201, None)).await;
    }
    expect(&stage, &with(&groups(17)), (400, Some(1004))).await;
    let name = |character: &str, count: usize| format!("[\"{}\"]", character.repeat(count));
    for longest in [name("😀", 256), name("\\ud83d\\ude00", 256), name("a", 256), "[\" \"]".to_owned()] {
        expect(&stage, &with(&longest), (201, None)).await;
    }
    for wrong in [name("😀", 257), name("a", 257), "[\"\"]".to_owned(), "[\"a\",\"\"]".to_owned()] {
        expect(&stage, &with(&wrong), (400, Some(1006))).await;
    }
    let (address, _) = stage.address(CONNECT).await;
    assert!(stage.get(&address).await.value().get("groups").is_none());
}

#[tokio::test]
async fn c11_c12_c13_c14_c28_c29_c30_access_control_of_a_listen_address() {
    let stage = Stage::start().await;
    let with = |access: &str| format!(r#"{{"allowedActions":["listen"],"accessControl":{access}}}"#);
    for (access, outcome) in [
        (format!(r#"{{"groups":{}}}"#, groups(24)), (201, None)),
        (format!(r#"{{"groups":{}}}"#, groups(25)), (400, Some(1004))),
        (format!(r#"{{"cloudAddresses":{}}}"#, addresses(8)), (201, None)),
        (format!(r#"{{"cloudAddresses":{}}}"#, addresses(9)), (400, Some(1004))),
        (format!(r#"{{"groups":{},"cloudAddresses":{}}}"#, groups(24), addresses(8)), (201, None)),
        (r#"{"groups":[]}"#.to_owned(), (400, Some(1005))),
        (r#"{"cloudAddresses":[]}"#.to_owned(), (400, Some(1005))),
        (format!(r#"{{"groups":[],"cloudAddresses":["{NOBODY}"]}}"#), (400, Some(1005))),
        (r#"{"groups":[""]}"#.to_owned(), (400, Some(1006))),
        ("{}".to_owned(), (400, Some(1008))),
        ("[]".to_owned(), (400, None)),
        (r#"["developers"]"#.to_owned(), (400, None)),
        (r#"[["developers"],[]]"#.to_owned(), (400, None)),
        ("null".to_owned(), (400, Some(1008))),
        (r#"{"groups":null}"#.to_owned(), (400, Some(1008))),
        (r#"{"group":["a"]}"#.to_owned(), (400, None)),
    ] {
        expect(&stage, &with(&access), outcome).await;
    }
    expect(&stage, r#"{"allowedActions":["listen"]}"#, (201, None)).await;
    expect(&stage, r#"{"allowedActions":["connect"],"accessControl":{"groups":["a"]}}"#, (400, Some(1009)))
        .await;
    expect(&stage, r#"{"allowedActions":["connect"],"accessControl":{}}"#, (400, Some(1009))).await;
    expect(&stage, r#"{"allowedActions":["listen"],"groups":["a"]}"#, (400, Some(1009))).await;
}

/// Typed clients send `null` for unset members.
#[tokio::test]
async fn a25_null_counts_as_omitted_unless_it_would_open_an_address() {
    let stage = Stage::start().await;
    for body in [
        r#"{"allowedActions":["connect"],"groups":["support"],"accessControl":null}"#,
        r#"{"allowedActions":["connect"],"groups":null,"accessControl":null}"#,
        r#"{"allowedActions":["listen"],"groups":null,"accessControl":{"groups":["support"],"cloudAddresses":null}}"#,
        r#"{"allowedActions":["listen"],"groups":null}"#,
    ] {
        let (address, _) = stage.address(body).await;
        let whole = body.replacen('{', &format!(r#"{{"cloudAddress":"{address}","#), 1);
        assert_eq!(stage.put(&address, &whole).await.outcome(), (200, None), "{whole}");
        let shown = stage.get(&address).await.body;
        assert!(!shown.contains("null"), "{shown}");
    }
    for (body, outcome) in [
        (r#"{"allowedActions":["listen"],"accessControl":null}"#, (400, Some(1008))),
        (
            r#"{"allowedActions":["listen"],"accessControl":{"groups":null,"cloudAddresses":null}}"#,
            (400, Some(1008)),
        ),
        (r#"{"allowedActions":null}"#, (400, None)),
        (r#"{"allowedActions":["connect"],"groups":[null]}"#, (400, None)),
        (r#"{"allowedActions":["listen"],"accessControl":{"cloudAddresses":[null]}}"#, (400, None)),
    ] {
        expect(&stage, body, outcome).await;
        let (address, _) =
            stage.address(r#"{"allowedActions":["listen"],"accessControl":{"groups":["a"]}}"#).await;
        let whole = body.replacen('{', &format!(r#"{{"cloudAddress":"{address}","#), 1);
        assert_eq!(stage.put(&address, &whole).await.outcome(), outcome, "{whole}");
    }
}

#[tokio::test]
async fn c15_c16_d8_the_documented_bodies_are_taken_as_they_are_printed() {
    let stage = Stage::start().await;
    for body in [
        r#"{ "allowedActions":["connect"], "groups":["developers","testers","marketing","sales"] }"#,
        r#"{ "allowedActions":["listen"], "accessControl": { "groups":["developers","sales"],
            "cloudAddresses":["ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRhAHCcvLXdEQogp"] } }"#,
    ] {
        let (address, _) = stage.address(body).await;
        let mut expected: serde_json::Value = serde_json::from_str(body).unwrap();
        expected["cloudAddress"] = address.clone().into();
        assert_eq!(stage.get(&address).await.value(), expected);
    }
}

#[tokio::test]
async fn g7_g16_c22_c23_c31_what_is_not_this_json_is_refused() {
    let stage = Stage::start().await;
    let (twice, unknown) = (
        r#"{"allowedActions":["listen"],"allowedActions":["listen"]}"#,
        r#"{"allowedActions":["listen"],"x":1}"#,
    );
    let other_member = format!(r#"{{"allowedActions":["listen"],"cloudAddress":"{NOBODY}"}}"#);
    let malformed = r#"{"allowedActions":["listen"],"accessControl":{"cloudAddresses":["nonsense"]}}"#;
    for body in [
        "",
        "{",
        "[]",
        "\"listen\"",
        "1",
        "null",
        r#"[["listen"]]"#,
        twice,
        unknown,
        &other_member,
        malformed,
        "{\"allowedActions\":[\"listen\"]} x",
    ] {
        expect(&stage, body, (400, None)).await;
    }
    let large = format!(r#"{{"allowedActions":["listen"]}}{}"#, " ".repeat(256 * 1024));
    expect(&stage, &large, (413, None)).await;
    let ask = || stage.ask("POST", "1.1/static-address").body(CONNECT);
    assert_eq!(ask().header("content-type", "text/plain").send().await.outcome(), (400, Some(1001)));
    assert_eq!(ask().send().await.outcome(), (400, Some(1001)));
    let typed = || ask().header("content-type", "APPLICATION/json; charset=utf-8");
    assert_eq!(typed().send().await.status, 201);
    let refused = typed().header("accept", "text/html").send().await;
    assert_eq!(
        refused.body,
        r#"{"errorCode":1002,"errorMessage":"The content type your user agent is expecting for the response body is something other than application/json."}"#
    );
    let both = ask().header("content-type", "text/plain").header("accept", "text/html").send().await;
    assert_eq!(both.outcome(), (400, Some(1001)));
}
