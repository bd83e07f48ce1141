//! Requests that no SDK sends: each gets its own failure, in full form.

use transom_config::Config;

use crate::house::{FOREIGN, House, Key, Plan, RUNNING};
use crate::wire::{INSTANCES, VNC_URL, Wire, now};

const UNAUTHORIZED: &str = "AUTHFAILURE_UNAUTHORIZED_OPERATION";
const INVALID: &str = "AUTHFAILURE_INVALID_AUTHORIZATION";
const SIGNATURE: &str = "AUTHFAILURE_SIGNATURE_FAILURE";
const EXPIRED: &str = "AUTHFAILURE_SIGNATURE_EXPIRED";

fn unsigned(house: &House) -> Wire {
    Wire::new(house, VNC_URL, format!("{{\"instanceId\":\"{RUNNING}\"}}"))
}

fn good(house: &House) -> Wire {
    unsigned(house).signed(&house.member)
}

#[tokio::test]
async fn a_header_that_is_missing_or_comes_twice_is_a_malformed_authorization() {
    let house = House::start().await;
    assert_eq!(good(&house).send(&house).await.status, 200);
    for header in ["Authorization", "X-ZC-Timestamp", "Content-Type"] {
        good(&house).without(header).fails(&house, 401, INVALID).await;
    }
    for header in ["Authorization", "X-ZC-Timestamp", "Content-Type"] {
        let wire = good(&house);
        let again = wire.value(header).to_owned();
        wire.with(header, again).fails(&house, 401, INVALID).await;
    }
    // HTTP itself forbids this (RFC 9112 §3.2).
    let wire = good(&house);
    let again = wire.value("Host").to_owned();
    wire.with("Host", again).fails(&house, 400, "INVALID_PARAMETER_VALUE").await;
    good(&house).without("Host").fails(&house, 400, "INVALID_PARAMETER_VALUE").await;
    for header in ["X-ZC-Version", "X-ZC-Action"] {
        good(&house).without(header).fails(&house, 401, UNAUTHORIZED).await;
        let wire = good(&house);
        let again = wire.value(header).to_owned();
        wire.with(header, again).fails(&house, 401, UNAUTHORIZED).await;
    }
}

#[tokio::test]
async fn a_signature_is_good_for_its_own_body_host_type_and_time_alone() {
    let house = House::start().await;
    let wire = good(&house);
    let mut other_body = wire.clone();
    other_body.body.push(b' ');
    other_body.fails(&house, 401, SIGNATURE).await;
    wire.clone().set("Host", "localhost:1").fails(&house, 401, SIGNATURE).await;
    wire.clone().set("Content-Type", "text/plain").fails(&house, 401, SIGNATURE).await;
    let later = (now() + 1).to_string();
    wire.clone().set("X-ZC-Timestamp", later).fails(&house, 401, SIGNATURE).await;
    let mut other_method = wire.clone();
    other_method.method = "PUT".to_owned();
    other_method.fails(&house, 401, SIGNATURE).await;
    unsigned(&house).signed_at(&house.member, now() - 400).fails(&house, 401, EXPIRED).await;
    unsigned(&house).signed_at(&house.member, now() + 400).fails(&house, 401, EXPIRED).await;
    // Unsigned headers may differ.
    assert_eq!(wire.set("X-ZC-Action", "DescribeInstances").send(&house).await.status, 200);
}

#[tokio::test]
async fn the_first_thing_that_is_wrong_is_what_is_told() {
    let house = House::start().await;
    let wrong = Key { secret: "wrong".to_owned(), ..house.member.clone() };
    // Each request also has all later faults.
    let mut wire = Wire::new(&house, ("nowhere", "1999-01-01", "Nothing"), "no JSON");
    wire.clone().fails(&house, 401, INVALID).await;
    wire.clone().signed_at(&wrong, 1).fails(&house, 401, EXPIRED).await;
    wire.clone().signed(&wrong).fails(&house, 401, SIGNATURE).await;
    wire.clone().signed(&house.member).fails(&house, 401, UNAUTHORIZED).await;
    wire = Wire::new(&house, VNC_URL, "no JSON");
    wire.signed(&house.member).fails(&house, 400, "INVALID_PARAMETER_TYPE").await;
    wire = Wire::new(&house, VNC_URL, format!("{{\"instanceId\":\"{FOREIGN}\"}}"));
    wire.signed(&house.member).fails(&house, 404, "INVALID_INSTANCE_NOT_FOUND").await;
}

#[tokio::test]
async fn everything_below_the_door_answers_in_its_form() {
    let house = House::start().await;
    let path = |path: &str| {
        let mut wire = unsigned(&house);
        wire.path = path.to_owned();
        wire
    };
    for below in
        ["/api/v2", "/api/v2/", "/api/v2/bmc", "/api/v2/zec/", "/api/v2/a/b/c", "/api/v2/%zz", "/api/v2/ZEC"]
    {
        path(below).fails(&house, 401, INVALID).await;
        path(below).signed(&house.member).fails(&house, 401, UNAUTHORIZED).await;
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        let mut wire = unsigned(&house);
        wire.method = method.to_owned();
        wire.fails(&house, 401, INVALID).await;
        wire.signed(&house.member).fails(&house, 401, UNAUTHORIZED).await;
    }
    for (service, version) in [("zec", "2023-03-13"), ("vm", "2025-09-01"), ("vm", "2023-03-13"), ("zec", "")]
    {
        let wire = Wire::new(&house, (service, version, "DescribeVncUrl"), "{}");
        wire.signed(&house.member).fails(&house, 401, UNAUTHORIZED).await;
    }
    // A query is neither signed nor read.
    assert_eq!(path("/api/v2/zec?instanceId=x").signed(&house.member).send(&house).await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_the_wrong_type() {
    let house = House::start().await;
    let deep = format!("{{\"instanceId\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    for body in [&b""[..], b"null", b"[]", b"{", b"\xff\xfe", b"{\"instanceId\":\"\xff\"}", deep.as_bytes()] {
        let wire = Wire::new(&house, VNC_URL, body).signed(&house.member);
        wire.fails(&house, 400, "INVALID_PARAMETER_TYPE").await;
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_answered_and_not_kept() {
    let house = House::start().await;
    let large = vec![b' '; 10 * 1024 * 1024];
    let wire = Wire::new(&house, INSTANCES, large);
    wire.clone().fails(&house, 401, INVALID).await;
    wire.signed(&house.member).fails(&house, 400, "INVALID_PARAMETER_EXCEED_LENGTH").await;
    let most = [b"{".to_vec(), vec![b' '; 64 * 1024 - 2], b"}".to_vec()].concat();
    assert_eq!(Wire::new(&house, INSTANCES, most).signed(&house.member).send(&house).await.status, 200);
}

#[tokio::test]
async fn tokens_of_other_doors_open_nothing_here() {
    let house = House::start().await;
    let url = good(&house).send(&house).await.body["url"].as_str().unwrap().to_owned();
    let console_token = url.split_once("token=").unwrap().1.to_owned();
    for token in [console_token.as_str(), "not-a-token", &house.member.secret] {
        let wire = unsigned(&house).with("Authorization", format!("Bearer {token}"));
        wire.fails(&house, 401, INVALID).await;
    }
    // The operator's token is known, but belongs to no project.
    let operator = &house.server.admin().token;
    unsigned(&house)
        .with("Authorization", format!("Bearer {operator}"))
        .fails(&house, 401, UNAUTHORIZED)
        .await;
    let basic = unsigned(&house).with("Authorization", "Basic dXNlcjpwYXNz");
    basic.fails(&house, 401, INVALID).await;
}

#[tokio::test]
async fn a_revoked_key_fails_like_one_that_never_was() {
    let house = House::start().await;
    let wire = good(&house);
    let id = house.member.id.parse().unwrap();
    house.server.app().access.revoke_key(&crate::house::operator(), &id).await.unwrap();
    wire.fails(&house, 401, SIGNATURE).await;
}

#[tokio::test]
async fn both_secrets_of_a_key_sign_while_it_is_rotated() {
    let house = House::start().await;
    let id = house.member.id.parse().unwrap();
    let (_, secret) = house.server.app().access.rotate_key(&crate::house::operator(), &id).await.unwrap();
    let fresh = Key { id: house.member.id.clone(), secret: secret.expose().to_owned() };
    assert_eq!(good(&house).send(&house).await.status, 200);
    assert_eq!(unsigned(&house).signed(&fresh).send(&house).await.status, 200);
    house.server.app().access.retire_key_secret(&crate::house::operator(), &id).await.unwrap();
    good(&house).fails(&house, 401, SIGNATURE).await;
    assert_eq!(unsigned(&house).signed(&fresh).send(&house).await.status, 200);
}

#[tokio::test]
async fn too_many_wrong_signatures_from_one_place_are_told_to_wait_and_delay_nobody_else() {
    let config = "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[limits]\nfailed_authentications = 1";
    let house = House::start_with(Plan { config: Config::parse(config).unwrap(), ..Plan::default() }).await;
    let from = |key: &Key| unsigned(&house).signed(key).with("X-Forwarded-For", "203.0.113.5");
    let wrong = Key { secret: "wrong".to_owned(), ..house.member.clone() };
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(from(&wrong).send(&house).await);
    }
    assert_eq!(answers[0].body["code"], SIGNATURE);
    let limited = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(limited.body["code"], "REQUEST_LIMIT_EXCEEDED");
    assert_eq!(limited.header("retry-after"), "1");
    // A correct proof from the same address passes.
    assert_eq!(from(&house.member).send(&house).await.status, 200);
}
