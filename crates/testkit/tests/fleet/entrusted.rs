//! Secrets that an instance entrusts to the device at its cloud address, and the devices that
//! receive them.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use transom_server::RepeaterKind;
use transom_testkit::api::{config, text};
use transom_testkit::server::PROJECT;
use transom_testkit::wait::{until, within};
use transom_testkit::{Api, TestServer};

use crate::field::Field;

const WITHHELD: &str =
    "4439 The device has new credentials, so Transom does not send it the machine's password.";

async fn fields() -> [Field; 2] {
    let repeater = config("[repeater]\ndevices = \"127.0.0.1:0\"\nper_source = 32").repeater;
    let setup = || TestServer::setup().config(|config| config.repeater = repeater);
    let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    [Field::on(setup()).await, Field::on(setup().database(postgres)).await]
}

/// An address of the member's key, and an instance there with a password that the operator has set.
async fn kiosk(field: &Field) -> (String, String) {
    let operator = field.server.api();
    let made = operator.post("/api/v1/addresses", json!({ "key": field.key.id, "action": "listen" })).await;
    let address = text(&made.done(), "cloudAddress");
    let body = json!({ "endpoint": format!("cloud:{address}"), "password": "geheim12" });
    (address, operator.add_instance(PROJECT, body).await)
}

async fn ticket(api: &Api, address: &str) -> String {
    text(&api.post(&format!("/api/v1/addresses/{address}/repeater-ticket"), json!({})).await.done(), "ticket")
}

/// A device that joins with this ticket and requires a password. It is ready when this returns.
async fn device(field: &Field, address: &str, ticket: &str) -> TcpStream {
    let door: SocketAddr = field.server.server().repeater(RepeaterKind::Devices).unwrap();
    let mut device = TcpStream::connect(door).await.unwrap();
    let mut introduction = format!("ID:{ticket}").into_bytes();
    introduction.resize(250, 0);
    introduction.extend(b"RFB 003.008\n");
    device.write_all(&introduction).await.unwrap();
    let address = address.parse().unwrap();
    until("the device waits", || field.server.app().devices.joined.listening(&address).is_some()).await;
    device
}

async fn takes<const N: usize>(device: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    within("bytes for the device", device.read_exact(&mut bytes)).await.unwrap();
    bytes
}

/// Opens a console. Returns the response that the device receives, computed from the password.
async fn shown(field: &Field, id: &str, device: &mut TcpStream) -> [u8; 16] {
    let token = field.server.console(id).await.token;
    let viewer = field.server.viewer().token(&token).open().await.unwrap();
    assert_eq!(&takes::<12>(device).await, b"RFB 003.008\n");
    device.write_all(&[1, 2]).await.unwrap();
    assert_eq!(takes::<1>(device).await, [2]);
    device.write_all(&[0; 16]).await.unwrap();
    let answer = takes(device).await;
    drop(viewer);
    answer
}

/// The reason why a console does not open.
async fn end(field: &Field, id: &str) -> String {
    let token = field.server.console(id).await.token;
    field.server.viewer().token(&token).open().await.unwrap().closed().await.to_string()
}

/// Returns whether the instance reports its secrets as withheld.
async fn withheld(api: &Api, path: &str) -> bool {
    api.get(path).await.done()["security"]["withheld"].as_bool().expect("it is said")
}

async fn audited(field: &Field) -> (String, String) {
    field.told("session.fail").await.pop().unwrap()
}

#[tokio::test]
async fn a_member_with_a_new_ticket_does_not_receive_the_operators_password() {
    for field in fields().await {
        let (address, id) = kiosk(&field).await;
        let operator = field.server.api().clone();
        let mut let_in = device(&field, &address, &ticket(&operator, &address).await).await;
        let answer = shown(&field, &id, &mut let_in).await;
        assert_ne!(answer, [0; 16]);
        drop(let_in);

        let theirs = ticket(&field.api(), &address).await;
        let mut theirs = device(&field, &address, &theirs).await;
        assert_eq!(end(&field, &id).await, WITHHELD);
        let (outcome, detail) = audited(&field).await;
        assert!(outcome == "instance-secrets-withheld" && detail.contains("ticket"), "{outcome} {detail}");
        // The device was not contacted.
        let mut nothing = [0; 1];
        assert!(theirs.try_read(&mut nothing).is_err(), "{nothing:?}");
        // The operator confirms that this device is the machine.
        let path = field.server.instance_path(&id);
        let again = json!({ "password": "geheim12", "for_ticket_holder": true });
        operator.patch(&path, again).await.done();
        assert_eq!(shown(&field, &id, &mut theirs).await, answer);
    }
}

const TICKET_IS_OUT: &str = "409 conflict: the cloud address has a repeater ticket, and the ticket's holder would receive this password \
    or key: if that device is the machine, confirm it (for_ticket_holder, --for-ticket-holder); otherwise revoke the ticket first \
    (transom repeater revoke ADDRESS)";

/// A ticket that was issued before the secrets were entrusted proves only its possession.
#[tokio::test]
async fn an_earlier_ticket_obtains_no_later_secret_unless_the_operator_confirms_it() {
    for field in fields().await {
        let operator = field.server.api().clone();
        let body = json!({ "key": field.key.id, "action": "listen" });
        let address = text(&operator.post("/api/v1/addresses", body).await.done(), "cloudAddress");
        let endpoint = json!({ "endpoint": format!("cloud:{address}") });
        let id = operator.add_instance(PROJECT, endpoint.clone()).await;
        let path = field.server.instance_path(&id);
        for api in [field.api(), operator.clone()] {
            let from_before = ticket(&api, &address).await;
            let secret = json!({ "password": "geheim12" });
            assert_eq!(operator.patch(&path, secret.clone()).await.to_string(), TICKET_IS_OUT);
            let with_endpoint = json!({ "endpoint": format!("cloud:{address}"), "password": "geheim12" });
            let all = format!("/api/v1/projects/{PROJECT}/instances");
            assert_eq!(operator.post(&all, with_endpoint).await.to_string(), TICKET_IS_OUT);
            // An instance that has a password from elsewhere cannot be moved here.
            let elsewhere = json!({ "endpoint": "vnc://127.0.0.1:1", "password": "geheim12" });
            let elsewhere = operator.add_instance(PROJECT, elsewhere).await;
            let moved = operator.patch(&field.server.instance_path(&elsewhere), endpoint.clone()).await;
            assert_eq!(moved.to_string(), TICKET_IS_OUT);
            // An import names the row, also in a dry run.
            for dry_run in [true, false] {
                let rows = json!([
                    { "id": "other", "endpoint": "vnc://127.0.0.1:1" },
                    { "id": id, "endpoint": format!("cloud:{address}"), "password": "geheim12" },
                ]);
                let import = format!("/api/v1/projects/{PROJECT}/import");
                let refused = operator.post(&import, json!({ "instances": rows, "dry_run": dry_run })).await;
                let row = &refused.json()["error"]["rows"][0];
                assert_eq!(row["row"], 2, "{refused}");
                assert_eq!(format!("409 conflict: {}", text(row, "message")), TICKET_IS_OUT);
            }
            // A change without secrets is permitted.
            operator.patch(&path, json!({ "name": "kiosk", "password": "" })).await.done();
            // The device is confirmed to be the machine.
            let mut let_in = device(&field, &address, &from_before).await;
            operator.patch(&path, json!({ "password": "geheim12", "for_ticket_holder": true })).await.done();
            assert_ne!(shown(&field, &id, &mut let_in).await, [0; 16]);
            drop(let_in);
            // The device is not the machine, and its ticket is revoked.
            operator.delete(&format!("/api/v1/addresses/{address}/repeater-ticket")).await.done();
            operator.patch(&path, secret).await.done();
            operator.patch(&path, json!({ "password": "" })).await.done();
        }
    }
}

/// The remaining ways in which a party other than the operator can change the device at an address.
#[tokio::test]
async fn a_reset_a_move_and_a_new_action_by_a_key_withhold_entrusted_secrets() {
    for field in fields().await {
        let server = &field.server;
        let admin = server.api().with_key(&server.api().add_key(PROJECT, "admin").await);
        let other = server.api().add_key(PROJECT, "member").await;
        let post = async |api: &Api, path: String, body: Value| {
            api.post(&path, body).await.done();
        };
        for way in ["ticket", "reset", "reset of the cloud API", "move", "action"] {
            let (address, id) = kiosk(&field).await;
            assert_eq!(end(&field, &id).await, "4435 The device behind this console is not online.");
            let path = format!("/api/v1/addresses/{address}");
            match way {
                "ticket" => post(&field.api(), format!("{path}/repeater-ticket"), json!({})).await,
                "reset" => post(&field.api(), format!("{path}/reset"), json!({})).await,
                "move" => post(&admin, format!("{path}/move"), json!({ "to_key": other.id })).await,
                "action" => {
                    for action in ["connect", "listen"] {
                        field.api().patch(&path, json!({ "action": action })).await.done();
                    }
                }
                _ => {
                    let path = format!("/cloud/1.1/static-address/{address}");
                    post(&field.api(), path, Value::Null).await;
                }
            }
            assert_eq!(end(&field, &id).await, WITHHELD, "{way}");
            let path = server.instance_path(&id);
            assert!(withheld(&admin, &path).await, "{way}");
            let again = json!({ "password": "geheim12", "for_ticket_holder": way == "ticket" });
            let answer = admin.patch(&path, again).await.done();
            assert_eq!(answer["security"]["withheld"], false, "{way}");
            assert!(!withheld(server.api(), &path).await, "{way}");
            assert_eq!(end(&field, &id).await, "4435 The device behind this console is not online.", "{way}");
        }
    }
}

#[tokio::test]
async fn the_operators_changes_and_changes_that_admit_no_device_withhold_no_secret() {
    for field in fields().await {
        let server = &field.server;
        let operator = server.api();
        let (address, id) = kiosk(&field).await;
        let path = format!("/api/v1/addresses/{address}");
        ticket(operator, &address).await;
        operator.post(&format!("{path}/reset"), json!({})).await.done();
        operator.post(&format!("{path}/move"), json!({ "to_key": field.key.id })).await.done();
        field.api().delete(&format!("{path}/repeater-ticket")).await.done();
        field.api().patch(&path, json!({ "allow_groups": ["desk"] })).await.done();
        assert!(!withheld(operator, &server.instance_path(&id)).await);
        assert_eq!(end(&field, &id).await, "4435 The device behind this console is not online.");
        // An instance without secrets has none to withhold.
        let body = json!({ "endpoint": format!("cloud:{address}") });
        let open = operator.add_instance(PROJECT, body).await;
        field.api().post(&format!("{path}/reset"), json!({})).await.done();
        assert_eq!(end(&field, &open).await, "4435 The device behind this console is not online.");
        assert_eq!(end(&field, &id).await, WITHHELD);
        for (id, expected) in [(&open, false), (&id, true)] {
            assert_eq!(withheld(operator, &server.instance_path(id)).await, expected);
        }
        // The operator sets the endpoint, so the password is sent there.
        let endpoint = json!({ "endpoint": format!("cloud:{address}") });
        operator.patch(&server.instance_path(&id), endpoint).await.done();
        assert_eq!(end(&field, &id).await, "4435 The device behind this console is not online.");
    }
}

/// The existence of another project's address is hidden, both when an instance is created and when
/// it is opened.
#[tokio::test]
async fn another_projects_address_looks_like_a_nonexistent_one() {
    for field in fields().await {
        let server = &field.server;
        server.api().add_project("theirs").await;
        let other = server.api().add_key("theirs", "admin").await;
        let admin = server.api().with_key(&server.api().add_key(PROJECT, "admin").await);
        let mut told = Vec::new();
        for removed in [false, true] {
            let made =
                server.api().post("/api/v1/addresses", json!({ "key": other.id, "action": "listen" })).await;
            let address = text(&made.done(), "cloudAddress");
            if removed {
                server.api().delete(&format!("/api/v1/addresses/{address}")).await.done();
            }
            let body = json!({ "endpoint": format!("cloud:{address}"), "password": "geheim12" });
            let id = admin.add_instance(PROJECT, body).await;
            let path = server.instance_path(&id);
            let moved =
                admin.patch(&path, json!({ "endpoint": format!("cloud:{address}") })).await.to_string();
            let asked = admin.try_console(PROJECT, &id, json!({})).await.status;
            let shown = withheld(&admin, &path).await;
            told.push((moved, asked, end(&field, &id).await, audited(&field).await, shown));
        }
        assert_eq!(told[0], told[1]);
        assert_eq!(told[0].2, "4435 The device behind this console is not online.");
    }
}
