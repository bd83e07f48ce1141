//! Devices under bad conditions: lost and silent links, and servers that restart or send them away.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_agent::{Agent, Connector, Ending, Event, Refusal, RefusalCode, Retry, Server, Status};
use transom_testkit::scripted_broker::ScriptedBroker;
use transom_testkit::wait::{until, within};
use transom_testkit::{FaultProxy, clock};
use transom_tunnel::Message;

use crate::devices::{Field, Running};

/// The silence after which a peer checks whether the other is there (`relay::control`).
const HEARTBEAT: Duration = Duration::from_secs(20);
/// The wait for an answer after which it gives up (`agent::control`).
const ANSWER: Duration = Duration::from_secs(10);

/// The server behind an unreliable network.
fn by(network: &FaultProxy) -> Server {
    Server::new(&format!("http://{}", network.address()), None, false).unwrap()
}

async fn waits(agent: &mut Running<Status>) -> (Refusal, Duration) {
    let Status::Waiting(refusal, wait) = agent.tells().await else { panic!("it is online") };
    (refusal, wait)
}

/// Lets the agent's waiting time pass, until it is back.
async fn comes_back(agent: &mut Running<Status>, wait: Duration) {
    clock::pass(wait).await;
    assert_eq!(agent.tells().await, Status::Searching);
    assert_eq!(agent.tells().await, Status::Online);
}

#[tokio::test]
async fn a_lost_connection_ends_its_sessions_as_lost_and_the_device_returns() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let network = FaultProxy::start(field.server.address()).await;
    let mut agent = Running::joined(Agent { server: by(&network), ..field.device(&device) }).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    let (mut viewer, mut guest) = field.session(&mut connector, port).await;
    assert!(matches!(agent.tells().await, Status::Opened { .. }));
    network.cut();
    let lost = within("the viewer's end", viewer.read(&mut [0])).await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(connector.tells().await, Event::Closed(Ending::Dropped));
    guest.ended().await;
    // Both are reported, in either order.
    let (mut waiting, mut closed) = (None, None);
    while waiting.is_none() || closed.is_none() {
        match agent.tells().await {
            Status::Waiting(refusal, wait) => waiting = Some((refusal.code, wait)),
            Status::Closed { ending, .. } => closed = Some(ending),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(closed, Some(Ending::Dropped));
    let (code, wait) = waiting.unwrap();
    assert_eq!(code, RefusalCode::CloudConnectivityError);
    // The server's initial time, extended by up to half at random.
    assert!((Refusal::FIRST_RETRY..=Refusal::FIRST_RETRY.mul_f64(1.5)).contains(&wait), "{wait:?}");
    comes_back(&mut agent, wait).await;
    // The connector stayed joined, and its viewers find the device again.
    field.session(&mut connector, port).await;
}

#[tokio::test]
async fn the_heartbeat_detects_a_silent_connection() {
    let field = Field::set().await;
    let (device, _) = field.pair().await;
    let network = FaultProxy::start(field.server.address()).await;
    let mut agent = Running::joined(Agent { server: by(&network), ..field.device(&device) }).await;
    network.stall();
    // Second by second, because the second wait starts only when the first one has ended.
    for _ in 0..(HEARTBEAT + ANSWER).as_secs() {
        clock::pass(Duration::from_secs(1)).await;
    }
    let (refusal, wait) = waits(&mut agent).await;
    assert_eq!(refusal.code, RefusalCode::CloudConnectivityError);
    assert_eq!(refusal.detail.as_deref(), Some("the server no longer answers"));
    network.heal();
    comes_back(&mut agent, wait).await;
}

#[tokio::test]
async fn a_device_that_is_called_constantly_stays_joined() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut agent = field.joined(&device).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    // Each pause is shorter than the heartbeat interval; together they exceed the server's limit on
    // silence.
    for _ in 0..12 {
        let session = field.session(&mut connector, port).await;
        assert!(matches!(agent.tells().await, Status::Opened { .. }));
        drop(session);
        assert!(matches!(agent.tells().await, Status::Closed { .. }));
        assert!(matches!(connector.tells().await, Event::Closed(_)));
        clock::pass(HEARTBEAT / 4).await;
    }
}

#[tokio::test]
async fn a_stopping_server_announces_it_and_connectors_and_devices_wait_for_its_return() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut agent = field.joined(&device).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    let (mut viewer, _guest) = field.session(&mut connector, port).await;
    assert!(matches!(agent.tells().await, Status::Opened { .. }));
    let Field { server, .. } = field;
    server.stop().await;
    let lost = within("the viewer's end", viewer.read(&mut [0])).await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut going = Vec::new();
    while going.len() < 2 {
        match agent.tells().await {
            Status::Waiting(refusal, _) => going.push(refusal),
            Status::Closed { ending, .. } => assert_eq!(ending, Ending::Dropped),
            other => panic!("{other:?}"),
        }
        match connector.tells().await {
            Event::Waiting(refusal, _) => going.push(refusal),
            Event::Closed(ending) => assert_eq!(ending, Ending::Dropped),
            other => panic!("{other:?}"),
        }
    }
    for refusal in going {
        assert_eq!(refusal.detail.as_deref(), Some("the server is shutting down"));
    }
}

#[tokio::test]
async fn peers_return_no_sooner_than_the_server_says() {
    let told = Duration::from_secs(40);
    let refusal = Refusal {
        retry: Retry::After(told),
        ..Refusal::from(RefusalCode::CloudConnectivityError).because("too many failed attempts")
    };
    let broker = ScriptedBroker::saying(&Message::Refused(refusal.clone()));
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let server = Server::new(&broker.url(), None, false).unwrap();
    let mut agent = Running::agent(Agent { server: server.clone(), ..field.device(&device) });
    assert_eq!(agent.tells().await, Status::Searching);
    let (said, wait) = waits(&mut agent).await;
    assert_eq!(said, refusal);
    assert!((told..=told.mul_f64(1.5)).contains(&wait), "{wait:?}");
    clock::pass(told - Duration::from_secs(1)).await;
    assert_eq!(broker.joins(), 1);
    clock::pass(wait - told + Duration::from_secs(1)).await;
    assert_eq!(agent.tells().await, Status::Searching);
    until("its second attempt", || broker.joins() == 2).await;
    // A waiting connector is told the same; a connector that does not wait ends.
    let waiting = Connector { server, wait: true, ..field.desk(&desk, &device.address) };
    let (mut patient, _) = Running::connector(waiting.clone());
    assert!(matches!(patient.tells().await, Event::Waiting(said, _) if said == refusal));
    let (mut hasty, _) = Running::connector(Connector { wait: false, ..waiting });
    assert_eq!(hasty.refusal().await, refusal);
}

#[tokio::test]
async fn a_stopped_agent_leaves_at_once_and_its_sessions_end_in_order() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut agent = field.joined(&device).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    let (mut viewer, mut guest) = field.session(&mut connector, port).await;
    assert!(matches!(agent.tells().await, Status::Opened { .. }));
    agent.stop();
    assert_eq!(within("an orderly end", viewer.read(&mut [0])).await.unwrap(), 0);
    drop(viewer);
    guest.ended().await;
    assert_eq!(connector.tells().await, Event::Closed(Ending::Far));
    assert!(matches!(agent.tells().await, Status::Closed { ending: Ending::Stopped, .. }));
    agent.done().await.unwrap();
    let address = device.address.parse().unwrap();
    until("its leave", || field.server.app().devices.joined.listening(&address).is_none()).await;
    // A viewer that connects now learns that the device is offline.
    let mut late = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The viewer may be refused before this write.
    let _ = late.write_all(b"anybody?").await;
    let Event::Failed(refusal) = connector.tells().await else { panic!("somebody was there") };
    assert_eq!(refusal.code, RefusalCode::CloudTargetNotFound);
}
