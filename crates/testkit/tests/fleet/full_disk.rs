//! A node on SQLite with a full disk: open sessions continue, sessions that must end do, and the
//! node recovers.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use transom_config::NodeLimits;
use transom_model::EndReason;
use transom_testkit::api::text;
use transom_testkit::full_disk::SmallDisk;
use transom_testkit::wait::{lasts, within};
use transom_testkit::{Instance, Script, Step, TestServer, Viewer};
use transom_tunnel::RefusalCode;

use crate::field::Field;
use crate::peer::Peer;

/// The time within which a killed session ends.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Many times the node's wait for its database in these tests.
const A_WHILE: Duration = Duration::from_secs(2);
/// Room for an empty database and a little more.
const MEBIBYTES: u32 = 4;

/// A node on a small disk, with this interval between beats.
async fn on_a_small_disk(beat: Duration) -> (Field, SmallDisk) {
    let limits = NodeLimits {
        beat,
        fence: Duration::from_millis(300),
        gone: Duration::from_millis(400),
        compare: Duration::from_millis(200),
        ..NodeLimits::default()
    };
    let setup = TestServer::setup().config(|config| config.limits.node = limits);
    let disk = SmallDisk::mount(&setup.folder().join("data"), MEBIBYTES);
    (Field::on(setup).await, disk)
}

async fn ready(field: &Field) -> (u16, String) {
    let answer = field.server.api().get("/readyz").await;
    (answer.status, answer.text)
}

async fn is_ready(field: &Field) {
    within("the node is ready", async { while ready(field).await.0 != 200 {} }).await;
}

async fn is_full(field: &Field) {
    within("the node says so", async { while ready(field).await.0 != 503 {} }).await;
    let (_, said) = ready(field).await;
    assert_eq!(said, "the database takes no writes: its disk may be full\n");
}

/// A console with unlimited use, opened once, and its token.
async fn open(field: &Field, machine: &Instance) -> (Viewer, String) {
    let id = field.server.add(machine).await;
    let api = field.api();
    let console = api.console("alpha", &id, json!({ "uses": 0 })).await;
    (field.server.viewer().token(&console.token).view().await, console.token)
}

/// The id of the newest session, once it is recorded.
async fn session(field: &Field) -> Value {
    within("the session is written down", async {
        loop {
            let session = field.server.api().newest_session().await;
            if session["state"] == "live" {
                return session["id"].clone();
            }
        }
    })
    .await
}

async fn end_of(field: &Field, session: &Value) -> Value {
    let sessions = field.server.api().get("/api/v1/sessions").await.json();
    let found = sessions["items"].as_array().unwrap().iter().find(|own| own["id"] == *session);
    found.map_or(Value::Null, |own| own["end_reason"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn open_sessions_survive_a_full_disk_and_the_node_recovers_when_there_is_room() {
    let (field, disk) = on_a_small_disk(Duration::from_millis(100)).await;
    is_ready(&field).await;
    let machine = Instance::start(Script::default()).await;
    let (mut viewer, token) = open(&field, &machine).await;
    let guest = machine.guest().await;
    let own = field.listener().await;
    let mut device = field.device(&own).await;
    let session = session(&field).await;

    disk.fill();
    is_full(&field).await;
    lasts("a full disk", A_WHILE, async {
        tokio::select! {
            closed = viewer.closed() => format!("the viewer is told {closed}"),
            told = device.sent_away() => format!("the device is told {told}"),
        }
    })
    .await;
    assert_eq!(field.server.api().metric("transom_fenced_total").await, 0.0);
    // A session that cannot be recorded does not start, even though its uses are unlimited.
    let refused = field.server.viewer().token(&token).open().await.err().map(|refused| refused.to_string());
    assert!(refused.as_ref().is_some_and(|told| told.starts_with("503 store-unavailable")), "{refused:?}");
    drop(guest);
    assert_eq!(viewer.closed().await.code, Some(4433));

    disk.make_room();
    is_ready(&field).await;
    within("its end is written down", async { while end_of(&field, &session).await != "instance-gone" {} })
        .await;
    let (_again, _) = open(&field, &machine).await;
    let online = field.server.api().get(&format!("/api/v1/addresses/{}", own.name)).await.done();
    assert_eq!(online["online"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_viewer_is_told_that_its_session_could_not_be_recorded() {
    let (field, disk) = on_a_small_disk(Duration::from_millis(100)).await;
    is_ready(&field).await;
    let machine = Instance::start(Script::default().holds(Step::Init)).await;
    let id = field.server.add(&machine).await;
    let token = field.api().console("alpha", &id, json!({})).await.token;
    let mut raw = field.server.viewer().path(&format!("/console?token={token}")).connect().await.unwrap();
    machine.held().await;
    disk.fill();
    is_full(&field).await;
    machine.release();
    assert_eq!(raw.refusal().await.unwrap(), EndReason::StoreUnavailable.sentence());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_killed_on_a_full_disk_ends_at_once_and_is_recorded_later() {
    let (field, disk) = on_a_small_disk(Duration::from_millis(100)).await;
    let machine = Instance::start(Script::default()).await;
    let (mut viewer, _) = open(&field, &machine).await;
    let _guest = machine.guest().await;
    let session = session(&field).await;
    disk.fill();
    is_full(&field).await;
    let path = format!("/api/v1/sessions/{}", session.as_str().unwrap());
    let killed = field.server.api().delete(&path).await;
    assert_eq!(killed.status, 503, "{killed}");
    let closed = timeout(AT_ONCE, viewer.closed()).await.expect("within a second");
    assert_eq!(closed.code, Some(4409));
    disk.make_room();
    within("its end is written down", async { while end_of(&field, &session).await != "session-killed" {} })
        .await;
    within("the audit has it", async {
        loop {
            let audit = field.server.api().get("/api/v1/audit?limit=1000").await.json();
            if audit["items"].as_array().unwrap().iter().any(|entry| entry["action"] == "session.kill") {
                return;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_revoked_on_a_full_disk_is_refused_before_it_is_recorded() {
    // The interval is long, so the node does not record owed revocations during the test.
    let (field, disk) = on_a_small_disk(Duration::from_secs(3600)).await;
    let machine = Instance::start(Script::default()).await;
    let (mut viewer, token) = open(&field, &machine).await;
    let _guest = machine.guest().await;
    let (mut other, others) = open(&field, &machine).await;
    let _other_guest = machine.guest().await;
    let own = field.listener().await;
    let mut device = field.device(&own).await;
    let grant = |session: &Value| text(session, "link");
    let sessions = within("both sessions are written down", async {
        loop {
            let sessions = field.server.api().get("/api/v1/sessions").await.done();
            if sessions["items"].as_array().unwrap().len() == 2 {
                return sessions;
            }
        }
    })
    .await;
    let first = grant(&sessions["items"][1]);

    disk.fill();
    is_full(&field).await;
    let revoked = field.server.api().delete(&format!("/api/v1/links/{first}")).await;
    assert_eq!(revoked.status, 503, "{revoked}");
    assert_eq!(timeout(AT_ONCE, viewer.closed()).await.expect("within a second").code, Some(4404));
    let revoked = field.server.api().delete(&format!("/api/v1/keys/{}", field.key.id)).await;
    assert_eq!(revoked.status, 503, "{revoked}");
    assert_eq!(timeout(AT_ONCE, other.closed()).await.expect("within a second").code, Some(4410));
    let told = timeout(AT_ONCE, device.sent_away()).await.expect("within a second");
    assert_eq!(told.code, RefusalCode::CloudAuthenticationFailed);

    disk.make_room();
    is_ready(&field).await;
    let refused = async |token: &str| match field.server.viewer().token(token).open().await {
        Ok(_) => panic!("it opens"),
        Err(refused) => refused.to_string(),
    };
    assert!(refused(&token).await.starts_with("403 link-revoked"));
    assert!(refused(&others).await.starts_with("403 key-revoked"));
    assert_eq!(field.api().get("/api/v1/sessions").await.status, 401);
    let joined = Peer::join(field.server.address(), &own, transom_tunnel::Role::Agent).await;
    assert_eq!(joined.err().map(|refusal| refusal.code), Some(RefusalCode::CloudAuthenticationFailed));
    // The database does not know of the revocation: only this node refuses the link.
    let grants = field.server.api().get(&format!("/api/v1/links/{first}")).await.done();
    assert!(grants["revoked_at"].is_null(), "{grants}");
}

/// A link's name derived from its URL: the digest of the token.
fn by_url(token: &str) -> String {
    let digest = transom_model::secret::TokenDigest::of(token).0;
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_link_can_be_revoked_by_its_url_on_a_full_disk() {
    let (field, disk) = on_a_small_disk(Duration::from_secs(3600)).await;
    let machine = Instance::start(Script::default()).await;
    let (mut viewer, token) = open(&field, &machine).await;
    let _guest = machine.guest().await;
    session(&field).await;
    disk.fill();
    is_full(&field).await;
    let path = format!("/api/v1/links/{}", by_url(&token));
    let revoked = field.server.api().post(&format!("{path}/revoke"), Value::Null).await;
    assert_eq!(revoked.status, 503, "{revoked}");
    assert_eq!(timeout(AT_ONCE, viewer.closed()).await.expect("within a second").code, Some(4404));
    let report = field.server.api().get(&format!("{path}/report")).await.done();
    assert!(report["link"]["revoked_at"].is_null(), "it is not written yet: {report}");
    disk.make_room();
    is_ready(&field).await;
    let refused = field.server.viewer().token(&token).open().await.err().map(|refused| refused.to_string());
    assert!(refused.as_ref().is_some_and(|told| told.starts_with("403 link-revoked")), "{refused:?}");
    // A repeated request is recorded and reports the result.
    let report = field.server.api().post(&format!("{path}/revoke"), Value::Null).await.done();
    assert!(!report["link"]["revoked_at"].is_null(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_removed_on_a_full_disk_is_cut_and_its_removal_recorded_later() {
    let (field, disk) = on_a_small_disk(Duration::from_millis(100)).await;
    let own = field.listener().await;
    let mut device = field.device(&own).await;
    let other = field.listener().await;
    let mut stays = field.device(&other).await;
    disk.fill();
    is_full(&field).await;
    let path = format!("/api/v1/addresses/{}", own.name);
    let removed = field.server.api().delete(&path).await;
    assert_eq!(removed.status, 503, "{removed}");
    let told = timeout(AT_ONCE, device.sent_away()).await.expect("within a second");
    assert_eq!(told.code, RefusalCode::CloudAuthenticationFailed);
    disk.make_room();
    within("it is written down", async { while field.server.api().get(&path).await.status != 404 {} }).await;
    assert_eq!(field.told_so_often("address.remove", 1).await.len(), 1);
    lasts("the other device", A_WHILE, async { format!("is told {}", stays.sent_away().await) }).await;
}

/// A presence stream that has delivered the present state.
async fn listening(api: &transom_testkit::Api) -> reqwest::Response {
    let mut answer = within("the head", api.request(Method::GET, "/api/v1/presence").send()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let mut told = Vec::new();
    within("what there is", async {
        while !String::from_utf8_lossy(&told).contains("event: current") {
            told.extend(answer.chunk().await.unwrap().expect("it goes on"));
        }
    })
    .await;
    answer
}

async fn is_over(stream: &mut reqwest::Response) {
    let end = async { while let Ok(Some(_)) = stream.chunk().await {} };
    timeout(AT_ONCE, end).await.expect("within a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_credentials_are_refused_before_their_revocation_is_recorded() {
    // The interval is long, so the node does not record owed revocations during the test.
    let (field, disk) = on_a_small_disk(Duration::from_secs(3600)).await;
    let own = field.listener().await;
    let operator = field.server.api();
    let rotator = operator.add_key("alpha", "admin").await;
    let issued = async |key: &transom_testkit::Key| {
        text(&operator.post(&format!("/api/v1/keys/{}/token", key.id), json!({})).await.done(), "token")
    };
    let (revoked, kept, of_rotated) =
        (issued(&field.key).await, issued(&field.key).await, issued(&rotator).await);
    let path = format!("/api/v1/keys/{}", rotator.id);
    let rotated = operator.post(&format!("{path}/rotate"), json!({})).await.done();
    let renewed = transom_testkit::Key { id: rotator.id.clone(), secret: text(&rotated, "secret") };
    let mut by_token = listening(&operator.with_bearer(&revoked)).await;
    let mut by_old_secret = listening(&operator.with_key(&rotator)).await;

    disk.fill();
    is_full(&field).await;
    let revoke = operator.with_key(&field.key).request(Method::DELETE, "/v3/auth/tokens");
    let answer =
        revoke.header("X-Auth-Token", &revoked).header("X-Subject-Token", &revoked).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    is_over(&mut by_token).await;
    assert_eq!(operator.post(&format!("{path}/retire"), json!({})).await.status, 503);
    is_over(&mut by_old_secret).await;
    assert_eq!(operator.delete(&format!("/api/v1/addresses/{}", own.name)).await.status, 503);

    disk.make_room();
    is_ready(&field).await;
    let status = async |api: transom_testkit::Api| api.get("/api/v1/sessions").await.status;
    assert_eq!(status(operator.with_bearer(&revoked)).await, 401);
    assert_eq!(status(operator.with_bearer(&kept)).await, 200);
    assert_eq!(status(operator.with_key(&rotator)).await, 401);
    assert_eq!(status(operator.with_bearer(&of_rotated)).await, 401);
    assert_eq!(status(operator.with_key(&renewed)).await, 200);
    let joined = Peer::join(field.server.address(), &own, transom_tunnel::Role::Agent).await;
    assert_eq!(joined.err().map(|refusal| refusal.code), Some(RefusalCode::CloudAuthenticationFailed));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_a_revoked_token_or_a_retired_secret_are_cut_on_a_full_disk() {
    let (field, disk) = on_a_small_disk(Duration::from_secs(3600)).await;
    let operator = field.server.api();
    let machine = Instance::start(Script::default()).await;
    let id = field.server.add(&machine).await;
    let rotator = operator.add_key("alpha", "admin").await;
    let path = format!("/api/v1/keys/{}", rotator.id);
    let rotated = operator.post(&format!("{path}/rotate"), json!({})).await.done();
    let renewed = transom_testkit::Key { id: rotator.id.clone(), secret: text(&rotated, "secret") };
    let issued = operator.post(&format!("/api/v1/keys/{}/token", field.key.id), json!({})).await.done();
    let token = text(&issued, "token");
    let open = async |api: transom_testkit::Api| {
        let link = api.console("alpha", &id, json!({ "uses": 0 })).await.token;
        (field.server.viewer().token(&link).view().await, link)
    };
    let (mut by_token, link) = open(operator.with_bearer(&token)).await;
    let (mut by_secret, old_link) = open(operator.with_key(&rotator)).await;
    let (by_new_secret, new_link) = open(operator.with_key(&renewed)).await;

    disk.fill();
    is_full(&field).await;
    let revoke = operator.anonymous().request(Method::DELETE, "/v3/auth/tokens");
    let answer =
        revoke.header("X-Auth-Token", &token).header("X-Subject-Token", &token).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(operator.post(&format!("{path}/retire"), json!({})).await.status, 503);
    for viewer in [&mut by_token, &mut by_secret] {
        let end = timeout(AT_ONCE, viewer.closed()).await.expect("at once").to_string();
        assert_eq!(end, "4404 Access to this console was revoked.");
    }
    let refused = async |link: &str| {
        let refused = field.server.viewer().token(link).open().await.err().expect("it opens nothing");
        refused.to_string()
    };
    disk.make_room();
    is_ready(&field).await;
    for link in [&link, &old_link] {
        let told = refused(link).await;
        assert!(told.contains("link-revoked"), "before it is written: {told}");
    }
    drop(by_new_secret);
    drop(field.server.viewer().token(&new_link).view().await);
}
