//! A replaced device: the server tells peers that know the old key, and each asks a person once.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use transom_agent::{
    Agent, Connector, Enrollment, Event, Introduction, Refusal, RefusalCode, Status, Verify,
};
use transom_testkit::api::text;
use transom_testkit::wait::within;

use crate::devices::{Address, Field, Running};

/// Lets both ends meet.
async fn acquaint(field: &Field, own: &Address, desk: &Address) {
    let agent = field.joined(own).await;
    let (mut connector, port) = Running::ready(field.desk(desk, &own.address)).await;
    field.session(&mut connector, port).await;
    drop((agent, connector));
}

/// Another machine, which joins with a token that replaces this one.
async fn replacement(field: &Field, own: &Address) -> Running<Status> {
    let made = field.key.post("/api/v1/enrollments", json!({ "replace": own.address })).await.done();
    let folder = field.state.path().join("replacement");
    let enrollment = Enrollment::open(&folder).unwrap();
    let token = text(&made["items"][0], "token");
    let enrolled = enrollment.enroll(&field.place(), &token, |_, _| (), &CancellationToken::new()).await;
    let credentials = enrolled.unwrap().expect("it is not told to stop");
    assert_eq!(credentials.address.to_string(), own.address);
    Running::joined(Agent { credentials, identity: field.identity("replacement"), ..field.device(own) }).await
}

/// The reason why a viewer is refused.
async fn refusal(connector: Connector) -> Refusal {
    let (mut connector, port) = Running::ready(connector).await;
    let mut viewer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let read = within("its end", viewer.read(&mut [0])).await;
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let Event::Failed(refusal) = connector.tells().await else { panic!("it was let in") };
    refusal
}

/// A program that gives this answer, and the questions that it was asked.
fn asked(answer: bool) -> (Option<Verify>, Arc<Mutex<Vec<Introduction>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let verify = Verify::new(move |peer| {
        hears.lock().push(peer);
        async move { answer }
    });
    (Some(verify), heard)
}

#[tokio::test]
async fn a_connector_asks_once_about_a_replaced_devices_key_and_stores_it() {
    let field = Field::set().await;
    let (own, desk) = field.pair().await;
    acquaint(&field, &own, &desk).await;
    let before = field.identity("device").public();
    let _device = replacement(&field, &own).await;
    let now = field.identity("replacement").public();
    // Without a person to ask, the device is refused, and the refusal names the remedy.
    let refused = refusal(field.desk(&desk, &own.address)).await;
    assert_eq!(refused.code, RefusalCode::PeerKeyChanged);
    assert_eq!(refused.detail, Some(format!("expected {before}, but it presents {now}")));
    assert!(refused.next_step().contains("was replaced") && refused.next_step().contains("--peer-key"));
    // A person who declines stays with the old key.
    let (renewed, heard) = asked(false);
    let declined = refusal(Connector { renewed, ..field.desk(&desk, &own.address) }).await;
    assert_eq!((declined.code, heard.lock().len()), (RefusalCode::PeerKeyChanged, 1));
    let (renewed, heard) = asked(true);
    let asking = Connector { renewed, ..field.desk(&desk, &own.address) };
    let (mut connector, port) = Running::ready(asking).await;
    field.session(&mut connector, port).await;
    drop(connector);
    let told = Introduction {
        peer: format!("[vnccloud:{}]", own.address),
        key: now,
        phrase: now.phrase(field.identity("viewer").public()),
        new: true,
        before: Some(before),
    };
    assert_eq!(*heard.lock(), [told]);
    // From then on the key is known, also to connectors that do not ask.
    let (mut connector, port) = Running::ready(field.desk(&desk, &own.address)).await;
    field.session(&mut connector, port).await;
    drop(connector);
    let known = std::fs::read_to_string(field.identity("viewer").known_keys()).unwrap();
    assert_eq!(known.matches(&own.address).count(), 1, "{known}");
    assert!(known.contains(&format!("{} {now}\n", own.address)) && known.contains("server "), "{known}");
}

#[tokio::test]
async fn a_configured_key_replaces_the_previous_one() {
    let field = Field::set().await;
    let (own, desk) = field.pair().await;
    acquaint(&field, &own, &desk).await;
    let _device = replacement(&field, &own).await;
    let now = field.identity("replacement").public();
    let named = Connector { fingerprint: Some(now), ..field.desk(&desk, &own.address) };
    let (mut connector, port) = Running::ready(named).await;
    field.session(&mut connector, port).await;
    drop(connector);
    let (mut connector, port) = Running::ready(field.desk(&desk, &own.address)).await;
    field.session(&mut connector, port).await;
}

#[tokio::test]
async fn the_server_vouches_only_for_the_accepted_key() {
    let field = Field::set().await;
    let (own, desk) = field.pair().await;
    acquaint(&field, &own, &desk).await;
    // The device was reinstalled: it has the same password and a new key, which has not been
    // accepted.
    let reinstalled = |name| Agent { identity: field.identity(name), ..field.device(&own) };
    let device = Running::joined(reinstalled("reinstalled")).await;
    let (renewed, heard) = asked(true);
    let asking = || Connector { renewed: renewed.clone(), ..field.desk(&desk, &own.address) };
    assert_eq!(refusal(asking()).await.code, RefusalCode::PeerKeyChanged);
    assert!(heard.lock().is_empty(), "there is nothing to ask about");
    field.key.post(&format!("/api/v1/addresses/{}/accept-key", own.address), json!({})).await.done();
    let (mut connector, port) = Running::ready(asking()).await;
    field.session(&mut connector, port).await;
    assert_eq!(heard.lock().len(), 1);
    drop((connector, device));
    // Another machine that knows the password does not have the accepted key.
    let _imposter = Running::joined(reinstalled("imposter")).await;
    assert_eq!(refusal(asking()).await.code, RefusalCode::PeerKeyChanged);
    assert_eq!(heard.lock().len(), 1);
}

#[tokio::test]
async fn consoles_refuse_a_reinstalled_device_until_its_key_is_accepted() {
    let field = Field::set().await;
    let (own, _) = field.pair().await;
    let body = json!({ "endpoint": format!("cloud:{}", own.address) });
    let id = field.server.api().add_instance("alpha", body).await;
    let opens = async || {
        let viewer = field.server.viewer().token(&field.server.console(&id).await.token).view().await;
        drop((viewer, field.machine.guest().await));
    };
    let device = field.joined(&own).await;
    opens().await;
    drop(device);
    let _again = Running::joined(Agent { identity: field.identity("again"), ..field.device(&own) }).await;
    let token = field.server.console(&id).await.token;
    let end = field.server.viewer().token(&token).open().await.unwrap().closed().await.to_string();
    assert!(end.starts_with("4438 "), "{end}");
    field.key.post(&format!("/api/v1/addresses/{}/accept-key", own.address), json!({})).await.done();
    opens().await;
}
