//! `Authorization: Bearer`: a token instead of a signature, from the command line or from the
//! identity door.

use serde_json::{Value, json};
use transom_model::access_key::AccessKeyId;

use crate::house::{FOREIGN, House, Key, RUNNING, operator};
use crate::sdk::sdk;
use crate::wire::{INSTANCES, VNC_URL, Wire};

const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

/// Returns a token as `transom key token` issues it.
async fn issued(house: &House, key: &Key) -> String {
    let id: AccessKeyId = key.id.parse().unwrap();
    house.server.app().access.issue_token_for(&operator(), &id, HOUR).await.unwrap().1.expose().to_owned()
}

/// Returns a token as Keystone's clients get it.
async fn logged_in(house: &House, key: &Key) -> String {
    let auth = json!({"auth": {"identity": {"methods": ["application_credential"],
        "application_credential": {"id": key.id, "secret": key.secret}}}});
    let url = format!("http://{}/v3/auth/tokens", house.address());
    let answer = reqwest::Client::new().post(url).json(&auth).send().await.unwrap();
    answer.headers()["x-subject-token"].to_str().unwrap().to_owned()
}

fn ask(house: &House, instance: &str, token: &str) -> Wire {
    let body = json!({ "instanceId": instance }).to_string();
    // The request is not signed, so it has no timestamp either.
    Wire::new(house, VNC_URL, body).with("Authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn a_token_gets_the_url_that_a_signature_gets_and_the_same_failures() {
    let house = House::start().await;
    for token in [issued(&house, &house.member).await, logged_in(&house, &house.member).await] {
        let answer = ask(&house, RUNNING, &token).send(&house).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.checked_id();
        assert!(crate::viewer::open(answer.body["url"].as_str().unwrap(), None).await.is_ok());
        let audit = house.audit_of(&id).await;
        assert_eq!((audit[0].dialect.as_str(), &audit[0].actor), ("zenlayer", &house.member.id));
        ask(&house, FOREIGN, &token).fails(&house, 404, "INVALID_INSTANCE_NOT_FOUND").await;
        ask(&house, "", &token).fails(&house, 400, "MISSING_PARAMETER").await;
    }
    let reader = issued(&house, &house.reader).await;
    ask(&house, RUNNING, &reader).fails(&house, 401, "AUTHFAILURE_UNAUTHORIZED_OPERATION").await;
    let list = Wire::new(&house, INSTANCES, "{}").with("Authorization", format!("bearer {reader}"));
    assert_eq!(list.send(&house).await.status, 200);
}

#[tokio::test]
async fn a_revoked_token_and_one_of_a_revoked_key_are_not_valid() {
    let house = House::start().await;
    let (first, second) = (issued(&house, &house.member).await, issued(&house, &house.member).await);
    let app = house.server.app();
    app.access.revoke_token(&operator(), &first).await.unwrap();
    ask(&house, RUNNING, &first).fails(&house, 401, "AUTHFAILURE_INVALID_AUTHORIZATION").await;
    assert_eq!(ask(&house, RUNNING, &second).send(&house).await.status, 200);
    app.access.revoke_key(&operator(), &house.member.id.parse().unwrap()).await.unwrap();
    ask(&house, RUNNING, &second).fails(&house, 401, "AUTHFAILURE_INVALID_AUTHORIZATION").await;
    ask(&house, RUNNING, "").fails(&house, 401, "AUTHFAILURE_INVALID_AUTHORIZATION").await;
}

#[tokio::test]
async fn the_sdks_own_token_credential_works() {
    let house = House::start().await;
    let token = logged_in(&house, &house.member).await;
    let call = |instance: &str, token: &str| -> Value {
        json!({"service": "zec", "version": "2025-09-01", "action": "DescribeVncUrl",
               "parameters": {"instanceId": instance}, "token": token})
    };
    let config = json!({ "scheme": "http", "domain": house.address().to_string() });
    let answers = sdk(config, &[call(RUNNING, &token), call("nowhere", &token)]).await;
    assert!(answers[0]["result"]["url"].as_str().unwrap().starts_with("http"), "{}", answers[0]);
    assert_eq!(answers[1]["error"]["code"], "INVALID_INSTANCE_NOT_FOUND");
}
