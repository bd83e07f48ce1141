//! Devices and viewers of the UltraVNC repeater's protocol: 250 bytes with NUL padding, followed
//! directly by the device's version.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use transom_server::RepeaterKind;
use transom_testkit::TestServer;
use transom_testkit::api::{config, text};
use transom_testkit::server::Setup;
use transom_testkit::wait::{until, within};
use transom_tunnel::{RefusalCode, Role};

use crate::field::{Address, Field};
use crate::peer::Peer;

/// The time within which a revocation takes effect.
const AT_ONCE: Duration = Duration::from_secs(1);
/// ProtocolVersion (RFC 6143 §7.1.1).
pub(crate) const VERSION: &[u8; 12] = b"RFB 003.008\n";
/// A repeater's greeting to viewers.
const GREETING: &[u8; 12] = b"RFB 000.000\n";

fn setup() -> Setup {
    let repeater =
        config("[repeater]\ndevices = \"127.0.0.1:0\"\nviewers = \"127.0.0.1:0\"\nper_source = 8").repeater;
    TestServer::setup().config(|config| config.repeater = repeater)
}

async fn field() -> Field {
    Field::on(setup()).await
}

async fn on_postgres() -> Field {
    let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    Field::on(setup().database(postgres)).await
}

fn introduction(id: &str) -> Vec<u8> {
    let mut bytes = format!("ID:{id}").into_bytes();
    bytes.resize(250, 0);
    bytes
}

impl Field {
    fn door(&self, kind: RepeaterKind) -> SocketAddr {
        self.server.server().repeater(kind).expect("it is switched on")
    }

    pub(crate) async fn ticket(&self, address: &Address, numeric: bool) -> String {
        let path = format!("/api/v1/addresses/{}/repeater-ticket", address.name);
        text(&self.api().post(&path, json!({ "numeric": numeric })).await.done(), "ticket")
    }

    pub(crate) async fn viewer_id(&self, address: &Address) -> String {
        let path = format!("/api/v1/addresses/{}/repeater-viewer", address.name);
        text(&self.api().post(&path, json!({})).await.done(), "id")
    }

    /// A device that sends a ticket in these pieces.
    pub(crate) async fn shows(&self, ticket: &str, pieces: &[usize]) -> TcpStream {
        let mut device = TcpStream::connect(self.door(RepeaterKind::Devices)).await.unwrap();
        device.set_nodelay(true).unwrap();
        let bytes = [introduction(ticket), VERSION.to_vec()].concat();
        let mut rest = &*bytes;
        for length in pieces.iter().copied().cycle().take_while(|length| *length > 0) {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            device.write_all(piece).await.unwrap();
            rest = after;
            if rest.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        device
    }

    /// An agent that accepts only end-to-end encrypted sessions.
    async fn end_to_end(&self, address: &Address) -> Peer {
        Peer::join_end_to_end(self.server.address(), address).await.expect("it joins")
    }

    pub(crate) async fn waits(&self, address: &Address) {
        let address = address.name.parse().unwrap();
        until("the device waits", || self.server.app().devices.joined.listening(&address).is_some()).await;
    }

    pub(crate) async fn gone(&self, address: &Address) {
        let address = address.name.parse().unwrap();
        until("the device is gone", || self.server.app().devices.joined.listening(&address).is_none()).await;
    }

    /// A viewer that sends a number.
    pub(crate) async fn views(&self, id: &str) -> TcpStream {
        let mut viewer = TcpStream::connect(self.door(RepeaterKind::Viewers)).await.unwrap();
        let mut greeting = [0; 12];
        within("the greeting", viewer.read_exact(&mut greeting)).await.unwrap();
        assert_eq!(&greeting, GREETING);
        viewer.write_all(&introduction(id)).await.unwrap();
        viewer
    }

    async fn audit(&self) -> Vec<Value> {
        let audit = self.server.api().get("/api/v1/audit?limit=1000").await.done();
        audit["items"].as_array().unwrap().clone()
    }
}

async fn takes(stream: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    within("bytes", stream.read_exact(&mut read)).await.unwrap();
    assert_eq!(read, bytes);
}

pub(crate) async fn ended(mut stream: TcpStream) {
    let read = within("the end", stream.read_u8()).await;
    assert!(read.is_err(), "it goes on");
}

#[tokio::test]
async fn a_device_joins_with_its_ticket_in_any_segmentation_and_a_viewer_id_works_once() {
    let field = field().await;
    // The ticket arrives whole with the version, split before and within it, and byte by byte.
    for (pieces, numeric) in [(&[262][..], false), (&[250, 12], true), (&[251, 11], false), (&[1], true)] {
        let own = field.listener().await;
        let ticket = field.ticket(&own, numeric).await;
        assert_eq!(ticket.parse::<u32>().is_ok(), numeric, "{ticket}");
        let mut device = field.shows(&ticket, pieces).await;
        field.waits(&own).await;
        let shown = field.api().get(&format!("/api/v1/addresses/{}", own.name)).await.done();
        assert_eq!((&shown["online"], &shown["repeater_ticket"]), (&json!(true), &json!(true)));
        let id = field.viewer_id(&own).await;
        let mut viewer = field.views(&id).await;
        takes(&mut viewer, VERSION).await;
        viewer.write_all(VERSION).await.unwrap();
        takes(&mut device, VERSION).await;
        device.write_all(b"\x01\x01").await.unwrap();
        takes(&mut viewer, b"\x01\x01").await;
        // The number was valid once.
        ended(field.views(&id).await).await;
        // Each side sees the other side close, and the device may return with the same ticket.
        drop(viewer);
        ended(device).await;
        let _again = field.shows(&ticket, &[262]).await;
        field.waits(&own).await;
    }
    let began = field.told_so_often("device.connect", 4).await;
    let expected = "legacy: a device without end-to-end encryption, from a repeater viewer at 127.0.0.1";
    assert_eq!(began, vec![("ok".to_owned(), expected.to_owned()); 4]);
    let over = field.told_so_often("device.disconnect", 4).await;
    let told = over.iter().all(|(_, detail)| {
        detail.starts_with(
            "legacy: from a repeater viewer at 127.0.0.1; 12 bytes to the device, 14 to the viewer, ",
        )
    });
    assert!(told && over.len() == 4, "{over:?}");
}

#[tokio::test]
async fn a_viewer_id_ends_with_the_token_or_the_secret_that_it_was_created_with() {
    for field in [field().await, on_postgres().await] {
        let own = field.listener().await;
        let ticket = field.ticket(&own, false).await;
        let mut device = field.shows(&ticket, &[262]).await;
        field.waits(&own).await;
        let operator = field.server.api();
        let older = operator.add_key("alpha", "admin").await;
        let path = format!("/api/v1/keys/{}", older.id);
        let rotated = operator.post(&format!("{path}/rotate"), json!({})).await.done();
        let newer = transom_testkit::Key { id: older.id.clone(), secret: text(&rotated, "secret") };
        let newer = operator.with_key(&newer);
        let token = text(&newer.post(&format!("{path}/token"), json!({})).await.done(), "token");
        let number = async |api: &transom_testkit::Api| {
            let path = format!("/api/v1/addresses/{}/repeater-viewer", own.name);
            text(&api.post(&path, json!({})).await.done(), "id")
        };
        let by_token = number(&newer.with_bearer(&token)).await;
        let by_older = number(&operator.with_key(&older)).await;
        let by_newer = number(&newer).await;
        let revoke = newer.request(http::Method::DELETE, "/v3/auth/tokens");
        let revoked = revoke.header("x-auth-token", &token).header("x-subject-token", &token);
        assert_eq!(revoked.send().await.unwrap().status(), 204);
        operator.post(&format!("{path}/retire"), json!({})).await.done();
        for number in [by_token, by_older] {
            ended(field.views(&number).await).await;
        }
        let mut viewer = field.views(&by_newer).await;
        takes(&mut viewer, VERSION).await;
        viewer.write_all(VERSION).await.unwrap();
        takes(&mut device, VERSION).await;
    }
}

#[tokio::test]
async fn the_audit_distinguishes_a_cut_viewer_from_one_whose_device_is_offline() {
    let field = field().await;
    let own = field.listener().await;
    let nobody = field.views(&field.viewer_id(&own).await).await;
    ended(nobody).await;
    let who = "from a repeater viewer at 127.0.0.1";
    let told = field.told_so_often("device.connect", 1).await;
    assert_eq!(told, [("device-offline".to_owned(), format!("legacy: {who}"))]);
    let device = field.shows(&field.ticket(&own, false).await, &[262]).await;
    field.waits(&own).await;
    let mut viewer = field.views(&field.viewer_id(&own).await).await;
    takes(&mut viewer, VERSION).await;
    field.remove(&own).await;
    timeout(AT_ONCE, ended(viewer)).await.expect("within a second");
    ended(device).await;
    let cut = field.told_so_often("device.cut", 1).await;
    assert_eq!(cut, [("ok".to_owned(), format!("{who}: no longer allowed"))]);
    let over = field.told_so_often("device.disconnect", 1).await;
    assert!(over[0].0 == "cut" && over[0].1.starts_with(&format!("legacy: {who}; ")), "{over:?}");
}

#[tokio::test]
async fn a_ticket_survives_a_restart_until_it_is_revoked_or_replaced() {
    let mut field = field().await;
    let own = field.listener().await;
    let ticket = field.ticket(&own, false).await;
    field.server = field.server.restart().await;
    // UltraVNC sends upper case, however the ticket was typed.
    let device = field.shows(&ticket.to_ascii_lowercase(), &[262]).await;
    field.waits(&own).await;
    // The device does not know its address's password, so a reset does not affect it.
    let own = field.reset(&own).await;
    within("the reset is in force", async {
        let path = format!("/cloud/1.1/static-address/{}/ready", own.name);
        while field.api().get(&path).await.done()["changes"] != "none" {}
    })
    .await;
    field.waits(&own).await;
    // The ticket is replaced.
    let next = field.ticket(&own, false).await;
    timeout(AT_ONCE, ended(device)).await.expect("within a second");
    ended(field.shows(&ticket, &[262]).await).await;
    // The ticket is revoked.
    let device = field.shows(&next, &[262]).await;
    field.waits(&own).await;
    field.api().delete(&format!("/api/v1/addresses/{}/repeater-ticket", own.name)).await.done();
    timeout(AT_ONCE, ended(device)).await.expect("within a second");
    ended(field.shows(&next, &[262]).await).await;
    // The ticket ends with its address and with its key.
    for n in 0..2 {
        let own = field.listener().await;
        let device = field.shows(&field.ticket(&own, true).await, &[262]).await;
        field.waits(&own).await;
        if n == 0 {
            field.remove(&own).await;
        } else {
            field.server.api().delete(&format!("/api/v1/keys/{}", field.key.id)).await.done();
        }
        timeout(AT_ONCE, ended(device)).await.expect("within a second");
    }
}

#[tokio::test]
async fn the_newest_device_of_an_address_waits_and_one_that_leaves_or_misbehaves_is_released() {
    let field = field().await;
    let own = field.listener().await;
    let ticket = field.ticket(&own, false).await;
    let old = field.shows(&ticket, &[262]).await;
    field.waits(&own).await;
    let mut new = field.shows(&ticket, &[262]).await;
    ended(old).await;
    field.waits(&own).await;
    new.write_all(&[0; 2048]).await.unwrap();
    ended(new).await;
    field.gone(&own).await;
    let device = field.shows(&ticket, &[262]).await;
    field.waits(&own).await;
    drop(device);
    field.gone(&own).await;
    // The device is absent, so the server disconnects the viewer.
    ended(field.views(&field.viewer_id(&own).await).await).await;
}

#[tokio::test]
async fn a_console_opens_on_a_repeater_device_and_a_connector_is_refused_with_the_reason() {
    let field = field().await;
    let own = field.listener().await;
    let mut device = field.shows(&field.ticket(&own, false).await, &[262]).await;
    field.waits(&own).await;
    let desk = field.connector().await;
    let mut viewer = field.join(&desk, Role::Connector).await.unwrap();
    let refusal = viewer.ask_for(&own.name).await.expect_err("there is nothing end to end");
    assert_eq!(refusal.code, RefusalCode::DeviceRefused);
    assert!(refusal.detail.unwrap().contains("repeater ticket"));
    let endpoint = format!("cloud:{}", own.name);
    let id = field.server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
    let token = field.server.console(&id).await.token;
    // The device's side of RFB's handshake (RFC 6143 §7.1 to §7.3).
    let serving = async {
        takes(&mut device, VERSION).await;
        device.write_all(&[1, 1]).await.unwrap();
        takes(&mut device, &[1]).await;
        device.write_all(&[0; 4]).await.unwrap();
        takes(&mut device, &[1]).await;
        let mut init = vec![0, 8, 0, 8, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0, 4];
        init.extend(b"desk");
        device.write_all(&init).await.unwrap();
    };
    let (mut page, ()) = tokio::join!(field.server.viewer().token(&token).view(), serving);
    device.write_all(b"pixels").await.unwrap();
    assert_eq!(page.take(6).await.unwrap(), b"pixels");
    let opened = field.told_so_often("device.connect", 2).await;
    let detail = "legacy: a device without end-to-end encryption, from a console".to_owned();
    assert_eq!(opened.last(), Some(&("ok".to_owned(), detail)));
    drop(page);
    let over = field.told_so_often("device.disconnect", 1).await;
    assert!(over[0].0 == "closed" && over[0].1.starts_with("legacy: from a console; "), "{over:?}");
}

#[tokio::test]
async fn an_address_with_an_end_to_end_only_agent_has_no_ticket() {
    let field = field().await;
    let own = field.listener().await;
    let ticket = field.ticket(&own, false).await;
    let mut agent = field.end_to_end(&own).await;
    let shown = field.api().get(&format!("/api/v1/addresses/{}", own.name)).await.done();
    assert_eq!((&shown["end_to_end_only"], &shown["repeater_ticket"]), (&json!(true), &json!(false)));
    ended(field.shows(&ticket, &[262]).await).await;
    for (what, body) in [("repeater-ticket", json!({})), ("repeater-viewer", json!({}))] {
        let refused = field.api().post(&format!("/api/v1/addresses/{}/{what}", own.name), body).await;
        let why = "409 conflict: its agent accepts only end-to-end connections, which the repeater's protocol does not support";
        assert_eq!(refused.to_string(), why);
    }
    let connects = field.connector().await;
    let refused =
        field.api().post(&format!("/api/v1/addresses/{}/repeater-ticket", connects.name), json!({})).await;
    assert_eq!(refused.status, 409);
    // An agent without the requirement lifts it. A ticket from before stays invalid.
    let mut lifting = field.device(&own).await;
    assert_eq!(agent.sent_away().await.code, RefusalCode::Superseded);
    ended(field.shows(&ticket, &[262]).await).await;
    let _device = field.shows(&field.ticket(&own, false).await, &[262]).await;
    assert_eq!(lifting.sent_away().await.code, RefusalCode::Superseded);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_earlier_ticket_displaces_a_returning_end_to_end_agent() {
    for field in [field().await, on_postgres().await] {
        let own = field.listener().await;
        let ticket = field.ticket(&own, false).await;
        let waiting = field.shows(&ticket, &[262]).await;
        field.waits(&own).await;
        let mut agent = field.end_to_end(&own).await;
        ended(waiting).await;
        let stop = AtomicBool::new(false);
        let taking_over = async {
            while !stop.load(Ordering::Relaxed) {
                ended(field.shows(&ticket, &[262]).await).await;
            }
        };
        let coming_back = async {
            for _ in 0..20 {
                let before = std::mem::replace(&mut agent, field.end_to_end(&own).await);
                drop(before);
                let address = own.name.parse().unwrap();
                let reached = field.server.app().devices.joined.listening(&address).expect("it is there");
                assert!(!reached.is_legacy(), "nobody without encryption is reached");
            }
            stop.store(true, Ordering::Relaxed);
        };
        tokio::join!(taking_over, coming_back);
        // While the agent is offline, the address still cannot have a ticket.
        drop(agent);
        field.gone(&own).await;
        ended(field.shows(&ticket, &[262]).await).await;
        let revoked: Vec<_> = field.audit().await;
        let revoked = revoked.iter().filter(|record| record["action"] == "repeater.revoke");
        let details: Vec<_> = revoked.map(|record| text(record, "detail")).collect();
        assert_eq!(details, ["its agent accepts only end-to-end connections"]);
    }
}

#[tokio::test]
async fn a_device_without_sessions_for_ten_hours_is_disconnected_and_offline() {
    let field = field().await;
    let own = field.listener().await;
    let device = field.shows(&field.ticket(&own, false).await, &[262]).await;
    field.waits(&own).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10 * 3600 + 1)).await;
    tokio::time::resume();
    ended(device).await;
    let shown = async || field.api().get(&format!("/api/v1/addresses/{}", own.name)).await.done();
    within("it is offline", async { while shown().await["online"] == true {} }).await;
}

#[tokio::test]
async fn wrong_tickets_from_one_source_delay_neither_text_tickets_nor_viewers() {
    let field = field().await;
    let (app, source) = (field.server.app(), IpAddr::from([203, 0, 113, 5]));
    let (own, other) = (field.listener().await, field.listener().await);
    let (text, number) = (field.ticket(&own, false).await, field.ticket(&other, true).await);
    let mut held_up = 0;
    for n in 0..30 {
        let guessed = app.devices.join_by_ticket(&(500_000_000 + n).to_string(), source).await;
        held_up += u32::from(guessed.is_err());
        assert!(
            app.devices.join_by_ticket(&format!("{n:024}"), source).await.expect("it is looked up").is_none()
        );
    }
    assert!(held_up >= 15, "{held_up} of 30 guesses");
    assert!(app.devices.join_by_ticket(&number, source).await.is_err(), "it could be guessed");
    assert!(app.devices.join_by_ticket(&text, source).await.unwrap().is_some());
    let elsewhere = IpAddr::from([203, 0, 113, 6]);
    assert!(app.devices.join_by_ticket(&number, elsewhere).await.unwrap().is_some());
    // Viewers have a separate share.
    let id = field.viewer_id(&own).await;
    assert!(app.devices.redeem_viewer_id(&id, source).await.unwrap().is_some());
    for n in 0..30 {
        let _ = app.devices.redeem_viewer_id(&(500_000_000 + n).to_string(), source).await;
    }
    let id = field.viewer_id(&own).await;
    assert!(app.devices.redeem_viewer_id(&id, source).await.is_err());
}

#[tokio::test]
async fn a_malformed_introduction_is_disconnected_and_each_source_has_a_share() {
    let field = field().await;
    let own = field.listener().await;
    for wrong in ["", "ID", "RFB 003.008\n", "id:5", "ID:", "ID:nobody", "\u{1}\u{2}"] {
        let mut device = TcpStream::connect(field.door(RepeaterKind::Devices)).await.unwrap();
        let mut bytes = wrong.as_bytes().to_vec();
        bytes.resize(250, 0);
        device.write_all(&bytes).await.unwrap();
        ended(device).await;
        ended(field.views(wrong).await).await;
    }
    // The share is 8. The ninth connection from this source is closed at once, while the other
    // doors stay open.
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(field.door(RepeaterKind::Devices)).await.unwrap());
    }
    ended(TcpStream::connect(field.door(RepeaterKind::Viewers)).await.unwrap()).await;
    field.device(&own).await;
    drop(idle);
    let ticket = field.ticket(&own, false).await;
    within("a free place", async {
        loop {
            let device = field.shows(&ticket, &[262]).await;
            let address = own.name.parse().unwrap();
            let waits = until("it waits", || field.server.app().devices.joined.listening(&address).is_some());
            if timeout(AT_ONCE, waits).await.is_ok() {
                return;
            }
            drop(device);
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_has_at_most_a_hundred_viewer_ids() {
    let field = field().await;
    let own = field.listener().await;
    let path = format!("/api/v1/addresses/{}/repeater-viewer", own.name);
    for _ in 0..100 {
        field.api().post(&path, json!({})).await.done();
    }
    let refused = field.api().post(&path, json!({})).await;
    assert_eq!(refused.status, 409);
    assert!(refused.to_string().contains("100 IDs of this access key are open"));
    assert!(field.server.server().repeater(RepeaterKind::Devices).is_some());
    assert!(Field::set().await.server.server().repeater(RepeaterKind::Devices).is_none(), "off by default");
}

#[tokio::test]
async fn a_server_without_a_repeater_issues_no_tickets() {
    let field = Field::set().await;
    let own = field.listener().await;
    for (what, listener) in [("repeater-ticket", "devices"), ("repeater-viewer", "viewers")] {
        let refused = field.api().post(&format!("/api/v1/addresses/{}/{what}", own.name), json!({})).await;
        let why =
            format!("409 conflict: this server accepts none: set [repeater] {listener} in its configuration");
        assert_eq!(refused.to_string(), why);
    }
}
