//! The machines at addresses: display names, reports, replacements, and two machines with one
//! identity.

use http::Method;
use serde_json::{Value, json};
use transom_testkit::api::{send, text};
use transom_testkit::server::PROJECT;
use transom_testkit::wait::within;
use transom_testkit::{Api, TestServer, log};
use transom_tunnel::{PublicKey, Refusal, RefusalCode, Report};

use crate::enrollment::Device;
use crate::field::{Address, Field};
use crate::peer::Peer;

async fn fields() -> [Field; 2] {
    // The tests name the sources of devices.
    let setup = || {
        TestServer::setup().config(|config| {
            config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
    };
    let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    [Field::on(setup()).await, Field::on(setup().database(postgres)).await]
}

fn report(host: &str, run: u8, key: u8) -> Report {
    let targets = vec!["127.0.0.1:5900".to_owned(), "plc=10.0.0.7:5900".to_owned()];
    Report { host_name: host.to_owned(), run: [run; 16], key: PublicKey::from_bytes([key; 32]), targets }
}

async fn joined(field: &Field, own: &Address, source: &str, report: Report) -> Peer {
    Peer::join_as(source, field.server.address(), own, report).await.expect("the device joins")
}

async fn shown(api: &Api, own: &Address) -> Value {
    api.get(&format!("/api/v1/addresses/{}", own.name)).await.done()
}

/// The addresses that match a filter.
async fn listed(api: &Api, filter: &str) -> Vec<String> {
    let list = api.get(&format!("/api/v1/addresses?{filter}")).await.done();
    list["items"].as_array().unwrap().iter().map(|one| text(one, "address")).collect()
}

/// The audit records of this action, the oldest first: details and sources, once there are `count`
/// of them.
async fn audited(field: &Field, action: &str, count: usize) -> Vec<(String, String)> {
    field.told_so_often(action, count).await;
    let audit = field.server.api().get(&format!("/api/v1/audit?limit=1000&project={PROJECT}")).await.done();
    let records = audit["items"].as_array().unwrap().iter().filter(|record| record["action"] == action);
    records.map(|record| (text(record, "detail"), text(record, "source"))).collect()
}

async fn gone(peer: &mut Peer) -> Refusal {
    within("its end", peer.sent_away()).await
}

/// The token of an enrollment that replaces this device.
async fn token(api: &Api, own: &Address) -> String {
    let made = api.post("/api/v1/enrollments", json!({ "replace": own.name })).await.done();
    text(&made["items"][0], "token")
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_found_by_name_by_group_and_by_presence() {
    for field in Field::both().await {
        let api = field.api();
        let add = async |body: Value| {
            let mut all = json!({ "key": field.key.id, "action": "listen" });
            all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            let made = api.post("/api/v1/addresses", all).await.done();
            Address { name: text(&made, "cloudAddress"), password: text(&made, "cloudPassword") }
        };
        let lobby = add(json!({"name": "Lobby 1 (100%)", "allow_groups": ["staff", "x\"y"]})).await;
        let roof = add(json!({"name": "Roof", "allow_groups": ["groups"]})).await;
        let desk = add(json!({"action": "connect", "groups": ["staff"]})).await;
        assert_eq!(shown(&api, &lobby).await["name"], "Lobby 1 (100%)");
        assert_eq!(shown(&api, &desk).await["name"], Value::Null);
        assert_eq!(listed(&api, "name=lobby").await, [lobby.name.as_str()]);
        assert_eq!(listed(&api, "name=0%25").await, [lobby.name.as_str()], "no pattern");
        assert_eq!(listed(&api, "name=_").await, [""; 0]);
        let mut staff = [lobby.name.clone(), desk.name.clone()];
        staff.sort();
        assert_eq!(listed(&api, "group=staff").await, staff);
        assert_eq!(listed(&api, "group=groups").await, [roof.name.as_str()], "no word of the list's own");
        assert_eq!(listed(&api, "group=y").await, [""; 0], "no part of a name");
        assert_eq!(listed(&api, "group=x%22y").await, [lobby.name.as_str()]);
        // Pages are complete, although the database finds other rows as well.
        let first = api.get("/api/v1/addresses?group=staff&limit=1").await.done();
        assert_eq!(text(&first["items"][0], "address"), staff[0]);
        let next = listed(&api, &format!("group=staff&limit=1&after={}", text(&first, "next"))).await;
        assert_eq!(next, [staff[1].clone()]);
        let _device = field.device(&roof).await;
        assert_eq!(listed(&api, "online=true").await, [roof.name.as_str()]);
        assert_eq!(listed(&api, "online=true&name=lobby").await, [""; 0]);
        // The name can change alone, and stays when other settings change.
        let path = format!("/api/v1/addresses/{}", lobby.name);
        api.patch(&path, json!({"name": "Foyer"})).await.done();
        api.patch(&path, json!({"allow_groups": ["night"]})).await.done();
        let foyer = shown(&api, &lobby).await;
        assert_eq!((&foyer["name"], &foyer["allow_groups"]), (&json!("Foyer"), &json!(["night"])));
        let body = json!({"cloudAddress": lobby.name, "allowedActions": ["listen"]});
        let put = api.request(Method::PUT, &format!("/cloud/1.1/static-address/{}", lobby.name)).json(&body);
        send(put).await.done();
        assert_eq!(shown(&api, &lobby).await["name"], "Foyer");
        api.patch(&path, json!({"name": ""})).await.done();
        assert_eq!(shown(&api, &lobby).await["name"], Value::Null);
        for wrong in ["a\u{202e}b".to_owned(), "n".repeat(129)] {
            assert_eq!(api.patch(&path, json!({ "name": wrong })).await.status, 400);
        }
        // More groups than a connect address is a member of are not too many for one that listens.
        let desk = format!("/api/v1/addresses/{}", desk.name);
        let groups = |count: usize| (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>();
        for (change, status) in [
            (json!({ "allow_groups": groups(17) }), 409),
            (json!({ "allow_groups": groups(25) }), 400),
            (json!({ "groups": groups(1), "allow_groups": groups(1) }), 400),
        ] {
            let refused = api.patch(&desk, change.clone()).await;
            assert_eq!(refused.status, status, "{change}: {refused}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_reports_its_machine_and_an_earlier_version_reports_none() {
    for field in fields().await {
        let (api, own) = (field.api(), field.listener().await);
        let hostile = Report { host_name: "panel\u{1b}[2J\u{202e}7".to_owned(), ..report("", 1, 0xab) };
        let device = joined(&field, &own, "198.51.100.7", hostile).await;
        let told = shown(&api, &own).await;
        assert_eq!(
            (text(&told, "host_name"), text(&told, "source")),
            ("panel[2J7".to_owned(), "198.51.100.7".to_owned())
        );
        assert_eq!(told["targets"], json!(["127.0.0.1:5900", "plc=10.0.0.7:5900"]));
        assert_eq!(text(&told, "device_key"), "ab".repeat(32));
        assert_eq!((&told["trusted_key"], &told["rival"]), (&Value::Null, &Value::Null));
        drop(device);
        let _earlier = field.device(&own).await;
        let told = shown(&api, &own).await;
        assert_eq!(
            (&told["host_name"], &told["targets"], &told["device_key"]),
            (&Value::Null, &json!([]), &Value::Null)
        );
        assert_eq!(text(&told, "source"), "127.0.0.1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_replaces_another_and_the_previous_one_is_locked_out() {
    for field in fields().await {
        let (api, own) = (field.api(), field.listener().await);
        let path = format!("/api/v1/addresses/{}", own.name);
        api.patch(&path, json!({"name": "Lobby", "allow_groups": ["staff"]})).await.done();
        let body = json!({ "endpoint": format!("cloud:{}", own.name), "password": "geheim12" });
        let instance = field.server.api().add_instance(PROJECT, body).await;
        let mut old = joined(&field, &own, "198.51.100.7", report("old", 1, 1)).await;
        // A key that cannot see the address cannot create a token to replace its device.
        field.server.api().add_project("beta").await;
        let foreign = field.server.api().with_key(&field.server.api().add_key("beta", "admin").await);
        assert_eq!(foreign.post("/api/v1/enrollments", json!({ "replace": own.name })).await.status, 404);
        let connector = field.connector().await;
        // The call is well-formed: the address, or its key, is not such a one.
        let other = field.server.api().add_key(PROJECT, "member").await.id;
        for state in [json!({ "replace": connector.name }), json!({ "replace": own.name, "key": other })] {
            let refused = field.server.api().post("/api/v1/enrollments", state.clone()).await;
            assert_eq!(refused.status, 409, "{state}: {refused}");
        }
        for wrong in [
            json!({}),
            json!({"count": 1, "replace": own.name}),
            json!({"replace": own.name, "allow_groups": ["x"]}),
        ] {
            assert_eq!(api.post("/api/v1/enrollments", wrong).await.status, 400);
        }
        // The operator replaces the device. The old machine's secrets are withheld all the same.
        let token = token(field.server.api(), &own).await;
        assert!(shown(&api, &own).await["online"].as_bool().unwrap(), "until the new one comes");
        let new = Device::new(7);
        assert_eq!(new.enroll(&field, &token).await.unwrap(), own.name);
        assert_eq!(gone(&mut old).await.code, RefusalCode::CloudAuthenticationFailed);
        let refused =
            Peer::join(field.server.address(), &own, transom_tunnel::Role::Agent).await.err().unwrap();
        assert_eq!(refused.code, RefusalCode::CloudAuthenticationFailed, "its password is void");
        // A lost answer is repeated; another device is refused.
        assert_eq!(new.enroll(&field, &token).await.unwrap(), own.name);
        assert_eq!(
            Device::new(8).enroll(&field, &token).await.unwrap_err().detail.unwrap(),
            "the enrollment token was used by another device"
        );
        let owned = Address { name: own.name.clone(), password: new.password.expose().to_owned() };
        let _new = joined(&field, &owned, "198.51.100.8", report("new", 2, 2)).await;
        let told = shown(&api, &own).await;
        assert_eq!(
            (
                text(&told, "name"),
                &told["allow_groups"],
                text(&told, "host_name"),
                text(&told, "trusted_key")
            ),
            ("Lobby".to_owned(), &json!(["staff"]), "new".to_owned(), "02".repeat(32))
        );
        assert!(told["renewed_at"].is_string() && told["online"] == true, "{told}");
        let token = field.server.console(&instance).await.token;
        let ended = field.server.viewer().token(&token).open().await.unwrap().closed().await.to_string();
        assert!(ended.starts_with("4439 "), "{ended}");
        let (_, detail) = field.told_so_often("address.replace", 1).await.remove(0);
        assert!(
            detail.starts_with("by enrollment ") && detail.contains(" from 127.0.0.1; version "),
            "{detail}"
        );
        // A removed address has no device to replace.
        let late = api.post("/api/v1/enrollments", json!({ "replace": own.name })).await.done();
        field.remove(&own).await;
        assert_eq!(
            Device::new(9)
                .enroll(&field, &text(&late["items"][0], "token"))
                .await
                .unwrap_err()
                .detail
                .unwrap(),
            "the enrollment token has expired, or was revoked"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_machines_with_one_identity_are_reported_and_a_restarted_one_is_not() {
    let log = log::capture();
    for field in fields().await {
        let (api, own) = (field.api(), field.listener().await);
        let rival = async || shown(&api, &own).await["rival"].clone();
        // The machine restarts, and returns after a network failure.
        let mut old = joined(&field, &own, "198.51.100.7", report("panel", 1, 1)).await;
        let mut one = joined(&field, &own, "198.51.100.7", report("panel", 2, 1)).await;
        assert_eq!(gone(&mut old).await.code, RefusalCode::Superseded);
        let mut again = joined(&field, &own, "198.51.100.9", report("panel", 2, 1)).await;
        assert_eq!(gone(&mut one).await.code, RefusalCode::Superseded);
        assert_eq!(rival().await, Value::Null);
        // A machine with a copy of the disk.
        let mut copy = joined(&field, &own, "203.0.113.5", report("copy", 3, 1)).await;
        assert_eq!(gone(&mut again).await.code, RefusalCode::Superseded);
        assert_eq!(rival().await, Value::Null, "it may have been put in its place");
        let _panel = joined(&field, &own, "198.51.100.7", report("panel", 2, 1)).await;
        assert_eq!(gone(&mut copy).await.code, RefusalCode::Superseded);
        let told = rival().await;
        assert_eq!(
            (text(&told, "host_name"), text(&told, "source")),
            ("copy".to_owned(), "203.0.113.5".to_owned())
        );
        let words = "two machines have this identity: a test on panel, and copy at 203.0.113.5";
        let rivals = audited(&field, "device.rivals", 1).await;
        assert_eq!(rivals, [(words.to_owned(), "198.51.100.7".to_owned())]);
        let text = log.text();
        let warned =
            |line: &&str| line.contains(" WARN ") && line.contains(words) && line.contains(&own.name);
        assert_eq!(text.lines().filter(warned).count(), 1);
        // The new password is for one of the two.
        let own = field.reset(&own).await;
        assert_eq!(shown(&api, &own).await["rival"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_records_joins_departures_and_displacements_of_devices_with_their_sources() {
    for field in fields().await {
        let own = field.listener().await;
        let mut first = joined(&field, &own, "198.51.100.7", report("panel", 1, 1)).await;
        let second = joined(&field, &own, "198.51.100.8", report("panel", 2, 1)).await;
        assert_eq!(gone(&mut first).await.code, RefusalCode::Superseded);
        let told = |detail: &str, source: &str| (detail.to_owned(), source.to_owned());
        let joins = audited(&field, "device.join", 2).await;
        assert_eq!(joins, ["198.51.100.7", "198.51.100.8"].map(|source| told("a test on panel", source)));
        let driven_out = audited(&field, "device.supersede", 1).await;
        assert_eq!(driven_out, [told("another one has joined in its place", "198.51.100.7")]);
        drop(second);
        let left = audited(&field, "device.leave", 1).await;
        assert!(left.len() == 1 && left[0].1 == "198.51.100.8", "{left:?}");
        // A device that reconnects constantly appears only a few times.
        for _ in 0..100 {
            drop(field.device(&own).await);
        }
        let _last = field.device(&own).await;
        let told = field.told("device.join").await.len();
        assert!((3..20).contains(&told), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_a_new_key_for_consoles_leaves_the_password_unchanged() {
    for field in fields().await {
        let (api, own) = (field.api(), field.listener().await);
        let path = format!("/api/v1/addresses/{}/accept-key", own.name);
        assert_eq!(api.post(&path, json!({})).await.status, 409, "there is none yet");
        let device = joined(&field, &own, "198.51.100.7", report("panel", 1, 5)).await;
        let accepted = api.post(&path, json!({})).await.done();
        assert_eq!(text(&accepted, "trusted_key"), "05".repeat(32));
        let named = api.post(&path, json!({ "key": "ab".repeat(32) })).await.done();
        assert_eq!(
            (text(&named, "trusted_key"), text(&named, "device_key")),
            ("ab".repeat(32), "05".repeat(32))
        );
        assert_eq!(api.post(&path, json!({ "key": "ab" })).await.status, 400);
        drop(device);
        field.device(&own).await;
        let told = field.told("address.accept-key").await;
        assert!(
            told[1].1.starts_with(&format!("{}, before: {}; version ", "ab".repeat(32), "05".repeat(32))),
            "{told:?}"
        );
        let connect = field.connector().await;
        let path = format!("/api/v1/addresses/{}/accept-key", connect.name);
        assert_eq!(api.post(&path, json!({})).await.status, 409);
        let reader = field.server.api().with_key(&field.server.api().add_key(PROJECT, "reader").await);
        let path = format!("/api/v1/addresses/{}/accept-key", own.name);
        assert_eq!(reader.post(&path, json!({})).await.status, 403);
    }
}
