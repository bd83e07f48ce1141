//! In front of an existing Keystone: another Transom plays the Keystone, and its users call here
//! with its tokens.

use reqwest::Method;
use serde_json::{Value, json};
use transom_app::AuditQuery;
use transom_config::{Config, TlsFiles};
use transom_model::access_key::Role;
use transom_server::Tls;
use transom_testkit::certificate::{Certificate, OneLiner};

use crate::house::{Answer, House, Key, PROJECT, RUNNING, answer, operator};

/// Starts a Transom in front of this Keystone, with more lines at the beginning of its
/// configuration and in `[openstack]`.
async fn in_front_of(keystone: &House, more: &str, openstack: &str) -> House {
    logging_in(keystone, more, openstack, "").await
}

/// Does the same, with more lines in `[openstack.admin]`.
async fn logging_in(keystone: &House, more: &str, openstack: &str, admin: &str) -> House {
    let key = keystone.key(PROJECT, Role::Admin).await;
    let secret = keystone.data.path().join("openstack.secret");
    std::fs::write(&secret, &key.secret).unwrap();
    let text = format!(
        "{more}\n[openstack]\nkeystone_url = \"{}\"\n{openstack}\n\
         [openstack.admin]\nusername = \"{}\"\nproject = \"{PROJECT}\"\n{admin}\nsecret_file = {:?}",
        keystone.url,
        key.id,
        secret.display().to_string(),
    );
    House::start_with(Config::parse(&text).unwrap(), Tls::Off).await
}

/// Returns a token of the Keystone, issued as for its clients.
async fn log_in(keystone: &House, key: &Key) -> String {
    let auth = json!({"auth": {"identity": {"methods": ["application_credential"],
        "application_credential": {"id": key.id, "secret": key.secret}}}});
    let got = answer(keystone.request(Method::POST, "/v3/auth/tokens").json(&auth)).await;
    got.header("x-subject-token").to_owned()
}

async fn ask(house: &House, method: Method, path: &str, token: &str, body: Option<Value>) -> Answer {
    let request = house.request(method, path).header("x-auth-token", token);
    answer(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

fn novnc() -> Option<Value> {
    Some(json!({"os-getVNCConsole": {"type": "novnc"}}))
}

const ACTION: &str = "/v2.1/servers/web-1/action";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_the_keystone_is_one_of_the_project_of_that_name() {
    let keystone = House::start().await;
    // The URL may contain the version or not.
    let front = in_front_of(&keystone, "", "").await;
    let token = log_in(&keystone, &keystone.member).await;
    let listed = ask(&front, Method::GET, "/v2.1/servers", &token, None).await;
    assert_eq!((listed.status, listed.body["servers"].as_array().unwrap().len()), (200, 2));
    let opened = ask(&front, Method::POST, ACTION, &token, novnc()).await;
    assert_eq!(opened.status, 200, "{:?}", opened.body);
    let request = opened.header("x-compute-request-id").to_owned();
    let records =
        front.audit(AuditQuery { request: Some(request.parse().unwrap()), ..AuditQuery::default() }).await;
    assert_eq!(records[0].actor, format!("keystone:{}", keystone.member.id));
    assert_eq!((records[0].action.as_str(), records[0].target.as_str()), ("link.create", RUNNING));

    // The cloud's catalogue names the project by its id there.
    let there = keystone.server.app().access.project(&crate::house::operator(), PROJECT).await.unwrap().id;
    for root in ["/v2.1", "/v2"] {
        let path = format!("{root}/{there}/servers");
        let listed = ask(&front, Method::GET, &path, &token, None).await;
        assert_eq!(listed.status, 200, "{:?}", listed.body);
        let itself = listed.body["servers"][0]["links"][0]["href"].as_str().unwrap();
        assert_eq!(itself, format!("{}{path}/{RUNNING}", front.url));
    }

    // Our own keys and their tokens are as valid as before.
    assert_eq!(front.action(RUNNING, &novnc().unwrap().to_string()).await.status, 200);
    let own = front.token(&front.member).await;
    assert_eq!(ask(&front, Method::GET, "/v2.1/servers", &own, None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_link_opens_no_longer_than_its_token_is_valid() {
    let short = Config::parse("[openstack]\ntoken_ttl = \"90s\"").unwrap();
    let keystone = House::start_with(short, Tls::Off).await;
    let front = in_front_of(&keystone, "", "").await;
    let token = log_in(&keystone, &keystone.member).await;
    let subject = keystone.request(Method::GET, "/v3/auth/tokens").header("x-auth-token", &token);
    let told = answer(subject.header("x-subject-token", &token)).await.body["token"]["expires_at"].clone();
    let until: transom_model::Timestamp = serde_json::from_value(told).unwrap();
    let opened = ask(&front, Method::POST, ACTION, &token, novnc()).await;
    let request = opened.header("x-compute-request-id").parse().unwrap();
    let records = front.audit(AuditQuery { request: Some(request), ..AuditQuery::default() }).await;
    let grant = front.server.app().consoles.grant(&operator(), records[0].grant.unwrap()).await.unwrap();
    // Ten minutes, the limit of the dialect itself.
    assert_eq!(grant.grant.expires_at, until);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keystone_that_signed_its_certificate_itself_is_trusted_by_it() {
    for what in [OneLiner::Authority, OneLiner::Leaf] {
        let folder = tempfile::tempdir().unwrap();
        let Certificate { cert, key, .. } = Certificate::by_openssl(folder.path(), what);
        let tls = Tls::Files(TlsFiles { cert: cert.clone(), key });
        let keystone = House::start_with(Config::default(), tls).await;
        let token = keystone.token(&keystone.member).await;
        let front =
            logging_in(&keystone, "", "", &format!("ca_file = {:?}", cert.display().to_string())).await;
        let listed = ask(&front, Method::GET, "/v2.1/servers", &token, None).await;
        assert_eq!(listed.status, 200, "{what:?}: {:?}", listed.body);
        let other = tempfile::tempdir().unwrap();
        let other = Certificate::by_openssl(other.path(), what).cert.display().to_string();
        let front = logging_in(&keystone, "", "", &format!("ca_file = {other:?}")).await;
        assert_eq!(ask(&front, Method::GET, "/v2.1/servers", &token, None).await.status, 503, "{what:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_what_its_roles_and_its_project_are() {
    let keystone = House::start().await;
    let front = in_front_of(&keystone, "", "").await;
    let reader = keystone.key(PROJECT, Role::Reader).await;
    let reader = log_in(&keystone, &reader).await;
    assert_eq!(ask(&front, Method::GET, "/v2.1/servers", &reader, None).await.status, 200);
    let forbidden = ask(&front, Method::POST, ACTION, &reader, novnc()).await;
    assert_eq!((forbidden.status, &forbidden.body["forbidden"]["code"]), (403, &json!(403)));
    let foreign = ask(&front, Method::GET, "/v2.1/servers/theirs", &reader, None).await;
    assert_eq!(foreign.status, 404);
    // A token of another cloud cannot become one of ours.
    let auth = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": reader}}}});
    assert_eq!(answer(front.request(Method::POST, "/v3/auth/tokens").json(&auth)).await.status, 401);
    // Only this API asks there.
    let native = front.request(Method::GET, "/api/v1/projects/lab/instances").bearer_auth(&reader);
    assert_eq!(answer(native).await.status, 401);

    // A name is not valid outside the configured domain.
    let elsewhere = in_front_of(&keystone, "", "keystone_domain = \"another\"").await;
    assert_eq!(ask(&elsewhere, Method::GET, "/v2.1/servers", &reader, None).await.status, 403);
    let own = keystone.server.app().access.project(&operator(), PROJECT).await.unwrap().id;
    let call = operator();
    elsewhere.server.app().access.create_project(&call, &own.to_string().parse().unwrap()).await.unwrap();
    let mapped = ask(&elsewhere, Method::GET, "/v2.1/servers", &reader, None).await;
    assert_eq!(mapped.body, json!({"servers": []}), "the project is named after its id there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_project_is_not_here_is_refused_by_name_and_the_log_says_what_to_make() {
    let log = transom_testkit::log::capture();
    let keystone = House::start().await;
    let front = in_front_of(&keystone, "", "keystone_domain = \"another\"").await;
    let token = log_in(&keystone, &keystone.member).await;
    for (method, path, body, policy) in [
        (Method::GET, "/v2.1/servers", None, "os_compute_api:servers:index"),
        (Method::POST, ACTION, novnc(), "os_compute_api:os-remote-consoles"),
    ] {
        let refused = ask(&front, method, path, &token, body).await;
        let expected = format!("Policy doesn't allow {policy} to be performed.");
        assert_eq!(refused.body, json!({"forbidden": {"code": 403, "message": expected}}));
        let (id, text) = (refused.header("x-compute-request-id"), log.text());
        let told = text.lines().find(|line| line.contains("WARN") && line.contains(id)).unwrap();
        assert!(told.contains("project_name=\"lab\""), "{told}");
        assert!(told.contains("transom project add NAME"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_validated_at_every_call_and_misses_are_limited_per_source() {
    let keystone = House::start().await;
    let more = "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[limits]\nunknown_tokens_per_minute = 2";
    let front = in_front_of(&keystone, more, "").await;
    let token = log_in(&keystone, &keystone.member).await;
    let from = async |token: &str| {
        let request = front.request(Method::GET, "/v2.1/servers").header("x-auth-token", token);
        answer(request.header("x-forwarded-for", "203.0.113.5")).await
    };
    for _ in 0..4 {
        assert_eq!(from(&token).await.status, 200);
    }
    let revoke = keystone.request(Method::DELETE, "/v3/auth/tokens").header("x-auth-token", &token);
    assert_eq!(answer(revoke.header("x-subject-token", &token)).await.status, 204);
    assert_eq!(from(&token).await.status, 401);
    assert_eq!(from("guess").await.status, 401);
    let limited = from("another").await;
    assert_eq!((limited.status, limited.header("retry-after")), (413, "1"));
    assert_eq!(front.metric("transom_cloud_lookups_total{what=\"user-token\",outcome=\"unknown\"}"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keystone_that_is_gone_is_told_from_a_bad_token() {
    let keystone = House::start().await;
    let front = in_front_of(&keystone, "", "").await;
    let token = log_in(&keystone, &keystone.member).await;
    keystone.server.stop().await;
    let refused = ask(&front, Method::GET, "/v2.1/servers", &token, None).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(refused.body["serviceUnavailable"]["code"], 503);
    // Tokens that we know ourselves need no Keystone.
    let own = front.token(&front.member).await;
    assert_eq!(ask(&front, Method::GET, "/v2.1/servers", &own, None).await.status, 200);
    let revoke = front.request(Method::DELETE, "/v3/auth/tokens").header("x-auth-token", &own);
    assert_eq!(answer(revoke.header("x-subject-token", &own)).await.status, 204);
    assert_eq!(ask(&front, Method::GET, "/v2.1/servers", &own, None).await.status, 401, "log in again");
}

#[tokio::test]
async fn a_keystone_that_hangs_holds_nobody_longer_than_the_first() {
    let silent = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "secret").unwrap();
    let text = format!(
        "[openstack]\nkeystone_url = \"http://{}\"\n[openstack.admin]\nusername = \"nova\"\nproject = \"p\"\n\
         secret_file = {:?}",
        silent.local_addr().unwrap(),
        secret.path().display().to_string(),
    );
    let front = House::start_with(Config::parse(&text).unwrap(), Tls::Off).await;
    let began = std::time::Instant::now();
    let ask = || ask(&front, Method::GET, "/v2.1/servers", "a-token", None);
    let answers = tokio::join!(ask(), ask(), ask());
    assert_eq!([answers.0.status, answers.1.status, answers.2.status], [503; 3]);
    // One after the other, they would have waited for 24 seconds.
    assert!(began.elapsed() < std::time::Duration::from_secs(16), "{:?}", began.elapsed());
}
