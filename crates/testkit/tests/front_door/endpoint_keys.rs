//! Endpoint keys (requirement S14): each end recognizes the other by its key and reports a
//! different one.

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use transom_agent::{
    Agent, Connector, Event, Identity, Introduction, Policy, Refusal, RefusalCode, Status, Verify,
};
use transom_testkit::wait::within;

use crate::devices::{Address, Field, Running, view};

/// The refusal of a viewer: it receives no byte of a session, and no end that looks like one.
async fn turned_away(connector: &mut Running<Event>, port: u16) -> Refusal {
    let mut viewer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let read = within("its end", viewer.read(&mut [0])).await;
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let Event::Failed(refusal) = connector.tells().await else { panic!("it was let in") };
    refusal
}

/// Both ends have met and disconnected: the field's two identities know each other.
async fn acquaint(field: &Field, device: &Address, desk: &Address) {
    let agent = field.joined(device).await;
    let (mut connector, port) = field.connector(desk, &device.address, false).await;
    assert_eq!(connector.tells().await, Event::Ready);
    field.session(&mut connector, port).await;
    drop((agent, connector));
}

fn key(identity: &Identity) -> String {
    identity.public().to_string()
}

#[tokio::test]
async fn a_device_with_a_different_key_is_refused_with_both_fingerprints() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    acquaint(&field, &device, &desk).await;
    let before = key(&field.identity("device"));
    let imposter = Agent { identity: field.identity("imposter"), ..field.device(&device) };
    let shown = key(&imposter.identity);
    let _imposter = Running::joined(imposter).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    let refusal = turned_away(&mut connector, port).await;
    assert_eq!(refusal.code, RefusalCode::PeerKeyChanged);
    assert_eq!(refusal.detail, Some(format!("expected {before}, but it presents {shown}")));
    assert_eq!(field.machine.arrived(), 1, "the one that they met by");
}

#[tokio::test]
async fn a_connector_with_a_different_key_is_refused_with_both_fingerprints() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    acquaint(&field, &device, &desk).await;
    let before = key(&field.identity("viewer"));
    let mut agent = field.joined(&device).await;
    let imposter = Connector { identity: field.identity("imposter"), ..field.desk(&desk, &device.address) };
    let shown = key(&imposter.identity);
    let (mut connector, port) = Running::ready(imposter).await;
    let refusal = turned_away(&mut connector, port).await;
    let why = format!("{} had the key {before} before, but now presents {shown}", desk.address);
    assert_eq!((refusal.code, refusal.detail), (RefusalCode::DeviceRefused, Some(why.clone())));
    let peer = format!("[vnccloud:{}]", desk.address);
    assert_eq!(agent.tells().await, Status::Refused { peer, why });
    assert_eq!(field.machine.arrived(), 1, "the one that they met by");
}

#[tokio::test]
async fn a_key_that_was_configured_in_advance_is_the_only_accepted_one() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let (own, viewers) = (field.identity("device").public(), field.identity("viewer").public());
    let allow_keys = vec![viewers];
    let mut agent = Running::joined(Agent {
        policy: Policy { allow_keys, ..Policy::default() },
        ..field.device(&device)
    })
    .await;
    let named = Connector { fingerprint: Some(own), ..field.desk(&desk, &device.address) };
    let (mut connector, port) = Running::ready(named).await;
    let _viewer = view(port).await;
    let Event::Opened { key, phrase, new: false, .. } = connector.tells().await else {
        panic!("it is known")
    };
    assert_eq!((key, &phrase), (own, &own.phrase(viewers)));
    let Status::Opened { phrase: at_the_device, new: false, .. } = agent.tells().await else { panic!() };
    assert_eq!(at_the_device, phrase);
    drop(connector);
    let wrong = Connector { fingerprint: Some(viewers), ..field.desk(&desk, &device.address) };
    let (mut connector, port) = Running::ready(wrong).await;
    assert_eq!(turned_away(&mut connector, port).await.code, RefusalCode::PeerKeyChanged);
    drop(connector);
    let stranger = Connector { identity: field.identity("stranger"), ..field.desk(&desk, &device.address) };
    let shown = stranger.identity.public();
    let (mut connector, port) = Running::ready(stranger).await;
    let refusal = turned_away(&mut connector, port).await;
    let why = format!("the key {shown} is not on its --allow-key list");
    assert_eq!((refusal.code, refusal.detail), (RefusalCode::DeviceRefused, Some(why)));
}

#[tokio::test]
async fn a_console_on_a_device_with_a_different_key_is_refused_until_its_password_is_reset() {
    let field = Field::set().await;
    let (device, _) = field.pair().await;
    let endpoint = format!("cloud:{}", device.address);
    let id = field.server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
    let open = async || field.server.viewer().token(&field.server.console(&id).await.token);
    let agent = field.joined(&device).await;
    open().await.view().await;
    drop(agent);
    let reinstalled = Agent { identity: field.identity("reinstalled"), ..field.device(&device) };
    let agent = Running::joined(reinstalled.clone()).await;
    assert!(open().await.open().await.unwrap().closed().await.to_string().starts_with("4438 "));
    drop(agent);
    let path = format!("/api/v1/addresses/{}/reset", device.address);
    let password = field.server.api().post(&path, json!({})).await.done();
    let own = Address { password: transom_testkit::api::text(&password, "cloudPassword"), ..device };
    let _agent = Running::joined(Agent { credentials: own.credentials(), ..reinstalled }).await;
    open().await.view().await;
}

#[tokio::test]
async fn a_console_on_an_end_to_end_only_device_is_refused_with_the_reason_and_audited() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let endpoint = format!("cloud:{}", device.address);
    let id = field.server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
    let policy = Policy { end_to_end_only: true, ..Policy::default() };
    let mut agent = Running::joined(Agent { policy, ..field.device(&device) }).await;
    let console = field.server.console(&id).await;
    let closed = field.server.viewer().token(&console.token).open().await.unwrap().closed().await;
    assert!(
        closed.to_string().starts_with("4437 The device accepts only end-to-end connections"),
        "{closed}"
    );
    let peer = "[vnccloud:gateway]".to_owned();
    let why = "this device accepts end-to-end connections only: use transom connect".to_owned();
    assert_eq!(agent.tells().await, Status::Refused { peer, why });
    let trail = format!("/api/v1/audit?link={}", console.grant);
    let audit = field.server.api().get(&trail).await.done().to_string();
    assert!(audit.contains("device-end-to-end-only"), "{audit}");
    assert_eq!(field.server.api().newest_session().await["end_reason"], "device-end-to-end-only");
    assert_eq!(field.machine.arrived(), 0);
    // The device accepts connectors, but only with listed keys, because the server could forge
    // others.
    let viewers = field.identity("viewer").public();
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    let refusal = turned_away(&mut connector, port).await;
    let why = format!(
        "it is for end-to-end connections only, and the key {viewers} is not on its --allow-key list"
    );
    assert_eq!((refusal.code, refusal.detail), (RefusalCode::DeviceRefused, Some(why)));
    drop((agent, connector));
    let policy = Policy { end_to_end_only: true, allow_keys: vec![viewers], ..Policy::default() };
    let _agent = Running::joined(Agent { policy, ..field.device(&device) }).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    field.session(&mut connector, port).await;
}

/// A program's decision on keys, and the questions that it was asked.
fn asked(answer: bool) -> (Verify, mpsc::UnboundedReceiver<Introduction>) {
    let (ask, asked) = mpsc::unbounded_channel();
    let verify = Verify::new(move |introduction| {
        drop(ask.send(introduction));
        std::future::ready(answer)
    });
    (verify, asked)
}

/// Requirement S14.
#[tokio::test]
async fn a_program_decides_on_a_key_before_it_is_stored_and_before_the_first_byte() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let [known_here, known_there] =
        ["device", "viewer"].map(|name| field.identity(name).known_keys().to_owned());
    let [own, viewers] = ["device", "viewer"].map(|name| field.identity(name).public());
    let phrase = own.phrase(viewers);
    let introduction = |address: &Address, key, new| Introduction {
        peer: format!("[vnccloud:{}]", address.address),
        key,
        phrase: phrase.clone(),
        new,
        before: None,
    };
    // The connector rejects the device's key: its viewer sees no screen, and the key is not stored.
    let agent = field.joined(&device).await;
    let (verify, mut told) = asked(false);
    let (mut connector, port) =
        Running::ready(Connector { verify, ..field.desk(&desk, &device.address) }).await;
    let refusal = turned_away(&mut connector, port).await;
    assert_eq!(refusal.code, RefusalCode::PeerKeyChanged);
    assert_eq!(refusal.detail, Some(format!("this program does not accept the key {own}")));
    assert_eq!(told.recv().await, Some(introduction(&device, own, true)));
    assert!(!known_there.exists());
    drop((agent, connector));
    std::fs::remove_file(&known_here).unwrap();
    // The device rejects the connector's key: its target sees no connection.
    let arrived = field.machine.arrived();
    let (verify, mut told) = asked(false);
    let policy = Policy { verify, ..Policy::default() };
    let agent = Running::joined(Agent { policy, ..field.device(&device) }).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    let refusal = turned_away(&mut connector, port).await;
    let why = format!("this device does not accept the key {viewers}");
    assert_eq!((refusal.code, refusal.detail), (RefusalCode::DeviceRefused, Some(why)));
    assert_eq!(told.recv().await, Some(introduction(&desk, viewers, true)));
    assert_eq!((known_here.exists(), field.machine.arrived()), (false, arrived));
    drop((agent, connector));
    // Both accept the keys, which are stored and confirmed at each session.
    let ((here, mut told_here), (there, mut told_there)) = (asked(true), asked(true));
    let policy = Policy { verify: here, ..Policy::default() };
    let _agent = Running::joined(Agent { policy, ..field.device(&device) }).await;
    let (mut connector, port) =
        Running::ready(Connector { verify: there, ..field.desk(&desk, &device.address) }).await;
    for new in [true, false] {
        let (viewer, guest) = field.session(&mut connector, port).await;
        assert_eq!(told_here.recv().await, Some(introduction(&desk, viewers, new)));
        assert_eq!(told_there.recv().await, Some(introduction(&device, own, new)));
        drop((viewer, guest));
        assert!(matches!(connector.tells().await, Event::Closed(_)));
    }
    assert!(known_here.exists() && known_there.exists());
}
