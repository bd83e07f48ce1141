//! The metadata that projects attach to their servers.

use reqwest::Method;
use serde_json::{Value, json};
use transom_app::AuditQuery;
use transom_app::inventory::instances::InstanceInput;
use transom_config::Config;
use transom_model::access_key::Role;
use transom_model::id::RequestId;
use transom_model::instance::InstanceStatus;
use transom_server::Tls;

use crate::house::{Answer, FOREIGN, House, PROJECT, RUNNING, STOPPED, answer};

async fn ask(house: &House, method: Method, path: &str, body: &Value) -> Answer {
    house.call(method, &format!("/compute/v2.1/servers/{path}"), &body.to_string()).await
}

async fn noted(house: &House, server: &str) -> Value {
    let found = ask(house, Method::GET, &format!("{server}/metadata"), &Value::Null).await;
    assert_eq!(found.status, 200, "{}", found.body);
    found.body["metadata"].clone()
}

async fn notes_are_written_and_shown(house: &House) {
    for (method, path, body, answered, left) in [
        (
            Method::POST,
            "metadata",
            json!({"metadata": {"a": "1", "b": "2"}}),
            json!({"metadata": {"a": "1", "b": "2"}}),
            json!({"a": "1", "b": "2"}),
        ),
        (
            Method::POST,
            "metadata",
            json!({"metadata": {"b": "Ω\0"}}),
            json!({"metadata": {"a": "1", "b": "Ω\0"}}),
            json!({"a": "1", "b": "Ω\0"}),
        ),
        (
            Method::PUT,
            "metadata/c%20d",
            json!({"meta": {"c d": ""}}),
            json!({"meta": {"c d": ""}}),
            json!({"a": "1", "b": "Ω\0", "c d": ""}),
        ),
        (
            Method::GET,
            "metadata/b",
            Value::Null,
            json!({"meta": {"b": "Ω\0"}}),
            json!({"a": "1", "b": "Ω\0", "c d": ""}),
        ),
        (
            Method::PUT,
            "metadata",
            json!({"metadata": {"x.y:z": "3", "e": "4"}}),
            json!({"metadata": {"x.y:z": "3", "e": "4"}}),
            json!({"x.y:z": "3", "e": "4"}),
        ),
        (Method::DELETE, "metadata/e", Value::Null, Value::Null, json!({"x.y:z": "3"})),
    ] {
        let status = if method == Method::DELETE { 204 } else { 200 };
        let answer = ask(house, method.clone(), &format!("{RUNNING}/{path}"), &body).await;
        assert_eq!((answer.status, &answer.body), (status, &answered), "{method} {path}");
        assert_eq!(noted(house, RUNNING).await, left, "{method} {path}");
    }
    // It appears in every description of this server, and of no other.
    let alone = ask(house, Method::GET, RUNNING, &Value::Null).await;
    assert_eq!(alone.body["server"]["metadata"], json!({"x.y:z": "3"}));
    let listed = ask(house, Method::GET, "detail", &Value::Null).await;
    let listed: Vec<_> =
        listed.body["servers"].as_array().unwrap().iter().map(|server| &server["metadata"]).collect();
    assert_eq!(listed, [&json!({"x.y:z": "3"}), &json!({})]);
    for path in ["", &format!("/{RUNNING}")] {
        let own = house.call(Method::GET, &format!("/api/v1/projects/{PROJECT}/instances{path}"), "").await;
        let instance = own.body["items"].as_array().map_or(&own.body, |items| &items[0]);
        assert_eq!(instance["metadata"], json!({"x.y:z": "3"}), "{}", own.body);
    }
}

#[tokio::test]
async fn notes_are_written_and_shown_on_sqlite() {
    notes_are_written_and_shown(&House::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_are_written_and_shown_on_postgresql() {
    let database = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    notes_are_written_and_shown(&House::start_on(Some(database), Config::default(), Tls::Off).await).await;
}

#[tokio::test]
async fn a_body_that_is_none_is_refused_in_novas_words() {
    let house = House::start().await;
    let long = "v".repeat(256);
    let no_key = |name: &str, key: &str| {
        format!(
            "Invalid input for field/attribute {name}. Value: {{'{key}': 'v'}}. '{key}' does not match any of the regexes: \
             '^[a-zA-Z0-9-_:. ]{{1,255}}$'"
        )
    };
    for (method, path, body, sentence) in [
        (Method::POST, "metadata", json!([]), "Malformed request body".to_owned()),
        (Method::POST, "metadata", json!({}), "'metadata' is a required property".to_owned()),
        (
            Method::PUT,
            "metadata",
            json!({"metadata": {}, "more": 1}),
            "Additional properties are not allowed ('more' was unexpected)".to_owned(),
        ),
        (
            Method::PUT,
            "metadata",
            json!({"metadata": null}),
            "Invalid input for field/attribute metadata. Value: None. None is not of type 'object'".to_owned(),
        ),
        (
            Method::POST,
            "metadata",
            json!({"metadata": {"a": 1}}),
            "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'".to_owned(),
        ),
        (
            Method::POST,
            "metadata",
            json!({"metadata": {"a": long}}),
            format!(
                "Invalid input for field/attribute a. Value: {shown}. '{shown}' is too long",
                shown = format!("{}…", "v".repeat(200))
            ),
        ),
        (Method::POST, "metadata", json!({"metadata": {"": "v"}}), no_key("metadata", "")),
        (Method::PUT, "metadata/a", json!({"meta": {"a/b": "v"}}), no_key("meta", "a/b")),
        (Method::PUT, "metadata/a", json!({"metadata": {"a": "v"}}), "'meta' is a required property".to_owned()),
        (
            Method::PUT,
            "metadata/a",
            json!({"meta": {}}),
            "Invalid input for field/attribute meta. Value: {}. {} should be non-empty".to_owned(),
        ),
        (
            Method::PUT,
            "metadata/a",
            json!({"meta": {"a": "1", "b": "2"}}),
            "Invalid input for field/attribute meta. Value: {'a': '1', 'b': '2'}. {'a': '1', 'b': '2'} has too many \
             properties"
                .to_owned(),
        ),
        (Method::PUT, "metadata/a", json!({"meta": {"b": "v"}}), "Request body and URI mismatch".to_owned()),
    ] {
        let refused = ask(&house, method, &format!("{RUNNING}/{path}"), &body).await;
        assert_eq!(refused.body, json!({"badRequest": {"code": 400, "message": sentence}}), "{body}");
    }
    assert_eq!(noted(&house, RUNNING).await, json!({}));
}

#[tokio::test]
async fn a_server_has_so_many_notes() {
    let house = House::start().await;
    let many = |count| {
        let notes: serde_json::Map<_, _> =
            (0..count).map(|n| (format!("k{n}"), json!("Ω".repeat(255)))).collect();
        json!({ "metadata": notes })
    };
    let full = json!({"forbidden": {"code": 403, "message": "Maximum number of metadata items exceeds 128"}});
    let path = format!("{RUNNING}/metadata");
    assert_eq!(ask(&house, Method::PUT, &path, &many(129)).await.body, full);
    assert_eq!(ask(&house, Method::PUT, &path, &many(128)).await.status, 200);
    assert_eq!(ask(&house, Method::POST, &path, &json!({"metadata": {"more": ""}})).await.body, full);
    let one = ask(&house, Method::PUT, &format!("{path}/more"), &json!({"meta": {"more": ""}})).await;
    assert_eq!(one.body, full);
    assert_eq!(noted(&house, RUNNING).await.as_object().unwrap().len(), 128);
    // An existing item can be replaced by another value.
    let one = ask(&house, Method::PUT, &format!("{path}/k0"), &json!({"meta": {"k0": "1"}})).await;
    assert_eq!(one.status, 200);
}

#[tokio::test]
async fn a_reader_notes_nothing_and_nobody_beside_anothers_server() {
    let house = House::start().await;
    let reader = house.key(PROJECT, Role::Reader).await;
    let notes = json!({"metadata": {"a": "1"}});
    let item = json!({"meta": {"a": "1"}});
    for (method, path, body, policy) in [
        (Method::POST, "metadata", &notes, "create"),
        (Method::PUT, "metadata", &notes, "update_all"),
        (Method::PUT, "metadata/a", &item, "update"),
        (Method::DELETE, "metadata/a", &Value::Null, "delete"),
    ] {
        for server in [RUNNING, "nothing"] {
            let request = house.request(method.clone(), &format!("/v2.1/servers/{server}/{path}"));
            let refused = answer(request.basic_auth(&reader.id, Some(&reader.secret)).json(body)).await;
            let sentence =
                format!("Policy doesn't allow os_compute_api:server-metadata:{policy} to be performed.");
            assert_eq!(refused.body, json!({"forbidden": {"code": 403, "message": sentence}}), "{method}");
        }
        for server in [FOREIGN, "nothing"] {
            let missing = ask(&house, method.clone(), &format!("{server}/{path}"), body).await;
            let sentence = format!("Instance {server} could not be found.");
            assert_eq!(missing.body, json!({"itemNotFound": {"code": 404, "message": sentence}}), "{method}");
        }
    }
    let read = house.request(Method::GET, &format!("/v2.1/servers/{RUNNING}/metadata"));
    assert_eq!(answer(read.basic_auth(&reader.id, Some(&reader.secret))).await.body, json!({"metadata": {}}));
    let missing = ask(&house, Method::DELETE, &format!("{RUNNING}/metadata/a"), &Value::Null).await;
    let sentence = "Metadata item was not found";
    assert_eq!(missing.body, json!({"itemNotFound": {"code": 404, "message": sentence}}));
    for (method, path, allow) in [
        (Method::DELETE, "metadata", "GET, HEAD, POST, PUT"),
        (Method::POST, "metadata/a", "GET, HEAD, PUT, DELETE"),
    ] {
        let refused = ask(&house, method, &format!("{RUNNING}/{path}"), &Value::Null).await;
        assert_eq!((refused.status, refused.header("allow")), (405, allow), "{path}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_made_or_is_gone_takes_no_notes() {
    let house = House::start().await;
    for (status, kind, word) in [
        (InstanceStatus::Building, "vm_state", "building"),
        (InstanceStatus::Failed, "vm_state", "error"),
        (InstanceStatus::Recycled, "vm_state", "soft-delete"),
    ] {
        house.changes(STOPPED, InstanceInput { status: Some(status), ..InstanceInput::default() }).await;
        for (method, path, body, operation) in [
            (Method::POST, "metadata", json!({"metadata": {"a": "1"}}), "update metadata"),
            (Method::DELETE, "metadata/a", Value::Null, "delete metadata"),
        ] {
            let refused = ask(&house, method, &format!("{STOPPED}/{path}"), &body).await;
            let sentence = format!("Cannot '{operation}' instance {STOPPED} while it is in {kind} {word}");
            assert_eq!(refused.body, json!({"conflictingRequest": {"code": 409, "message": sentence}}));
        }
    }
    house
        .changes(
            STOPPED,
            InstanceInput { status: Some(InstanceStatus::Rebooting), ..InstanceInput::default() },
        )
        .await;
    let taken =
        ask(&house, Method::POST, &format!("{STOPPED}/metadata"), &json!({"metadata": {"a": "1"}})).await;
    assert_eq!(taken.status, 200, "{}", taken.body);
}

#[tokio::test]
async fn the_audit_names_the_keys_and_no_value() {
    let house = House::start().await;
    let many: serde_json::Map<_, _> = (0..20).map(|n| (format!("k{n:02}"), json!("secret"))).collect();
    for (method, path, body, detail) in [
        (Method::POST, "metadata", json!({"metadata": {"b": "secret", "a": "secret"}}), "set a, b"),
        (Method::PUT, "metadata/c", json!({"meta": {"c": "secret"}}), "set c"),
        (Method::DELETE, "metadata/c", Value::Null, "removed c"),
        (
            Method::PUT,
            "metadata",
            json!({ "metadata": many }),
            "set k00, k01, k02, k03, k04, k05, k06, k07, 12 more, and no other",
        ),
        (Method::PUT, "metadata", json!({"metadata": {}}), "set nothing, and no other"),
    ] {
        let answer = ask(&house, method, &format!("{RUNNING}/{path}"), &body).await;
        let request: RequestId = answer.header("x-compute-request-id").parse().unwrap();
        let told = house.audit(AuditQuery { request: Some(request), ..AuditQuery::default() }).await;
        let [record] = &told[..] else { panic!("{told:?}") };
        assert_eq!((record.action.as_str(), record.dialect.as_str()), ("metadata.change", "openstack"));
        assert_eq!((record.target.as_str(), &record.actor), (RUNNING, &house.member.id));
        assert_eq!(record.detail.as_deref(), Some(detail));
    }
}
