//! Enrollment: a token creates one address for one device, which gets the same answer whenever it
//! repeats its request.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use transom_app::random;
use transom_model::cloud::{CloudPassword, EnrollmentToken, Verifier};
use transom_model::id::EnrollmentId;
use transom_testkit::Api;
use transom_testkit::api::text;
use transom_testkit::wait::until;
use transom_tunnel::{Binding, Enrollment, Refusal};

use crate::field::{Address, Field};
use crate::peer::Peer;

/// A device that has chosen its password.
pub(crate) struct Device {
    pub(crate) password: CloudPassword,
    salt: [u8; 16],
}

impl Device {
    pub(crate) fn new(n: u8) -> Self {
        Self { password: CloudPassword::from_random([n; CloudPassword::RANDOM]), salt: [n; 16] }
    }

    fn shows(&self, token: &str) -> Enrollment {
        let Verifier { stored_key, server_key, .. } = self.password.verifier(self.salt);
        let token: EnrollmentToken = token.parse().unwrap();
        let (id, salt) = (token.id().0.into_bytes(), self.salt);
        let unproved =
            Enrollment { id, salt, stored_key, server_key, proof: [0; 32], binding: String::new() };
        let (own, message) = unproved.bind(Binding::None, None);
        Enrollment { proof: token.prove(&message), ..own }
    }

    pub(crate) async fn enroll(&self, field: &Field, token: &str) -> Result<String, Refusal> {
        Peer::enroll(field.server.address(), self.shows(token)).await
    }
}

async fn tokens(api: &Api, key: &str, more: Value) -> Vec<(String, String)> {
    let mut body = json!({ "key": key, "count": 1 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = api.post("/api/v1/enrollments", body).await.done();
    made["items"].as_array().unwrap().iter().map(|one| (text(one, "id"), text(one, "token"))).collect()
}

fn why(refused: Result<String, Refusal>) -> String {
    refused.expect_err("it is refused").detail.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_devices_with_one_token_gets_an_address_and_joins_with_its_own_password() {
    for field in Field::both().await {
        let (_, token) =
            tokens(&field.api(), &field.key.id, json!({"allow_groups": ["staff"]})).await.remove(0);
        let mut asking = JoinSet::new();
        for n in 0..12 {
            let (server, device) = (field.server.address(), Device::new(n));
            let shown = device.shows(&token);
            asking.spawn(async move { (n, Peer::enroll(server, shown).await) });
        }
        let mut enrolled = Vec::new();
        for (n, asked) in asking.join_all().await {
            match asked {
                Ok(address) => enrolled.push((n, address)),
                Err(refusal) => {
                    assert_eq!(why(Err(refusal)), "the enrollment token was used by another device");
                }
            }
        }
        let [(n, name)] = enrolled.try_into().expect("one device");
        let device = Device::new(n);
        // A lost answer is repeated, to the same device only.
        assert_eq!(device.enroll(&field, &token).await.unwrap(), name);
        let own = Address { name: name.clone(), password: device.password.expose().to_owned() };
        let _joined = field.device(&own).await;
        let shown = field.api().get(&format!("/api/v1/addresses/{name}")).await.done();
        assert_eq!((&shown["allow_groups"], &shown["online"]), (&json!(["staff"]), &json!(true)));
        let all = field.api().get("/api/v1/addresses").await.done();
        assert_eq!(all["items"].as_array().unwrap().len(), 1);
        let listed = field.api().get(&format!("/api/v1/enrollments?key={}", field.key.id)).await.done();
        assert_eq!(text(&listed["items"][0], "address"), name);
        assert!(!listed.to_string().contains(&token));
        let audit = field.server.api().get("/api/v1/audit").await.done();
        let of = |action: &str| {
            let records = audit["items"].as_array().unwrap();
            records.iter().find(|record| record["action"] == action).unwrap().clone()
        };
        assert_eq!(of("enrollment.create")["target"], listed["items"][0]["id"]);
        let made = of("address.create");
        assert_eq!((text(&made, "target"), text(&made, "actor")), (name, field.key.id.clone()));
        let detail = format!("by enrollment {} from 127.0.0.1", text(&listed["items"][0], "id"));
        assert_eq!(text(&made, "detail"), detail);
    }
}

#[tokio::test]
async fn a_token_that_ended_creates_no_address() {
    let field = Field::set().await;
    let (api, key) = (field.api(), &field.key.id);
    let guessed = EnrollmentToken::new(EnrollmentId(random::uuid()), [0; EnrollmentToken::RANDOM]);
    let guessed = guessed.text();
    assert_eq!(
        why(Device::new(1).enroll(&field, guessed.expose()).await),
        "the enrollment token is not valid"
    );
    // A permitted caller revokes the token.
    let (id, token) = tokens(&api, key, json!({})).await.remove(0);
    let path = format!("/api/v1/enrollments/{id}");
    field.server.api().add_project("beta").await;
    let foreign = field.server.api().with_key(&field.server.api().add_key("beta", "admin").await);
    assert_eq!(foreign.delete(&path).await.status, 404);
    api.delete(&path).await.done();
    assert_eq!(
        why(Device::new(1).enroll(&field, &token).await),
        "the enrollment token has expired, or was revoked"
    );
    assert_eq!(api.delete(&path).await.status, 404);
    // The token expires.
    let (_, short) = tokens(&api, key, json!({"ttl_seconds": 1})).await.remove(0);
    let made = Instant::now();
    until("its end", || made.elapsed() > Duration::from_millis(1100)).await;
    assert_eq!(
        why(Device::new(1).enroll(&field, &short).await),
        "the enrollment token has expired, or was revoked"
    );
    // The token's key is revoked.
    let (_, fresh) = tokens(&api, key, json!({})).await.remove(0);
    field.server.api().delete(&format!("/api/v1/keys/{key}")).await.done();
    assert_eq!(why(Device::new(91).enroll(&field, &fresh).await), "the enrollment token is not valid");
}

#[tokio::test]
async fn an_overheard_enrollment_is_useless_to_another_device() {
    let field = Field::set().await;
    let (_, token) = tokens(&field.api(), &field.key.id, json!({})).await.remove(0);
    let (heard, own) = (Device::new(1).shows(&token), Device::new(2).shows(&token));
    let Enrollment { salt, stored_key, server_key, .. } = own;
    for tried in [
        // The request contains another device's password.
        Enrollment { salt, stored_key, server_key, ..heard.clone() },
        // The request claims to be from another connection.
        Enrollment { binding: "eSws".into(), ..heard.clone() },
        Enrollment { proof: [0; 32], ..heard.clone() },
    ] {
        Peer::enroll(field.server.address(), tried).await.expect_err("it is refused");
    }
    // An identical request belongs to the first device.
    let address = Peer::enroll(field.server.address(), heard.clone()).await.unwrap();
    assert_eq!(Peer::enroll(field.server.address(), heard).await.unwrap(), address);
    let own = Address { name: address, password: Device::new(1).password.expose().to_owned() };
    field.device(&own).await;
}

#[tokio::test]
async fn an_impossible_enrollment_is_refused_with_its_reason() {
    let field = Field::set().await;
    let (api, key) = (field.api(), &field.key.id);
    let refusal = async |more: Value| {
        let mut body = json!({ "key": key, "count": 1 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.post("/api/v1/enrollments", body).await.to_string()
    };
    assert_eq!(refusal(json!({"count": 0})).await, "400 invalid: count: must be 1 to 500");
    assert_eq!(refusal(json!({"count": 501})).await, "400 invalid: count: must be 1 to 500");
    assert!(refusal(json!({"allow_groups": [""]})).await.starts_with("400 invalid: allow_groups: "));
    assert!(refusal(json!({"ttl_seconds": 0})).await.starts_with("400 invalid: ttl_seconds: "));
    let reader = field.server.api().with_key(&field.server.api().add_key("alpha", "reader").await);
    let refused = reader.post("/api/v1/enrollments", json!({ "key": key, "count": 1 })).await;
    assert_eq!(refused.to_string(), "403 forbidden: this needs the role member");
    let none = reader.request(Method::GET, "/api/v1/enrollments").send().await.unwrap();
    assert_eq!(none.json::<Value>().await.unwrap()["items"], json!([]));
}
