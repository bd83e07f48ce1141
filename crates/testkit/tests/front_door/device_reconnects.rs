//! Devices on bad days: lost links, silent ones, servers that restart or send them away.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_agent::{Agent, Connector, Ending, Event, Fault, Refusal, Retry, Server, Status};
use transom_testkit::scripted_broker::ScriptedBroker;
use transom_testkit::wait::{until, within};
use transom_testkit::{FaultProxy, clock};
use transom_tunnel::Message;

use crate::devices::{Field, Running};

/// After so long without a word, a peer asks whether the other is there (`relay::control`).
const HEARTBEAT: Duration = Duration::from_secs(20);
/// And after so long without an answer it gives up (`agent::control`).
const ANSWER: Duration = Duration::from_secs(10);

/// The server, by a network that breaks.
fn by(network: &FaultProxy) -> Server {
    Server::new(&format!("http://{}", network.address()), None, false).unwrap()
}

async fn waits(agent: &mut Running<Status>) -> (Refusal, Duration) {
    let Status::Waiting(refusal, wait) = agent.tells().await else { panic!("it is online") };
    (refusal, wait)
}

/// The time that an agent waits passes, and it is back.
async fn comes_back(agent: &mut Running<Status>, wait: Duration) {
    clock::pass(wait).await;
    assert_eq!(agent.tells().await, Status::Searching);
    assert_eq!(agent.tells().await, Status::Online);
}

#[tokio::test]
async fn a_lost_link_ends_its_sessions_as_lost_and_the_device_comes_back() {
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
    // Both are told, in whichever order they are noticed.
    let (mut waiting, mut closed) = (None, None);
    while waiting.is_none() || closed.is_none() {
        match agent.tells().await {
            Status::Waiting(refusal, wait) => waiting = Some((refusal.fault, wait)),
            Status::Closed { ending, .. } => closed = Some(ending),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(closed, Some(Ending::Dropped));
    let (fault, wait) = waiting.unwrap();
    assert_eq!(fault, Fault::CloudConnectivityError);
    // What the server says at first, and up to half as long again by chance.
    assert!((Refusal::FIRST_RETRY..=Refusal::FIRST_RETRY.mul_f64(1.5)).contains(&wait), "{wait:?}");
    comes_back(&mut agent, wait).await;
    // The connector kept its place, and its viewers find the device again.
    field.session(&mut connector, port).await;
}

#[tokio::test]
async fn a_link_that_fell_silent_is_given_up_by_its_heartbeat() {
    let field = Field::set().await;
    let (device, _) = field.pair().await;
    let network = FaultProxy::start(field.server.address()).await;
    let mut agent = Running::joined(Agent { server: by(&network), ..field.device(&device) }).await;
    network.stall();
    // Second by second: it asks at the end of one wait, and only then the other begins.
    for _ in 0..(HEARTBEAT + ANSWER).as_secs() {
        clock::pass(Duration::from_secs(1)).await;
    }
    let (refusal, wait) = waits(&mut agent).await;
    assert_eq!(refusal.fault, Fault::CloudConnectivityError);
    assert_eq!(refusal.detail.as_deref(), Some("the server does not answer any more"));
    network.heal();
    comes_back(&mut agent, wait).await;
}

#[tokio::test]
async fn a_device_that_is_called_all_the_time_stays_joined() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut agent = field.joined(&device).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    // Never as long as from one heartbeat to the next, and in all longer than a server listens to silence.
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
async fn a_server_that_goes_says_so_and_connectors_and_devices_wait_for_it() {
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
        assert_eq!(refusal.detail.as_deref(), Some("the server is going down"));
    }
}

#[tokio::test]
async fn nobody_comes_back_sooner_than_told() {
    let told = Duration::from_secs(40);
    let refusal = Refusal {
        retry: Retry::After(told),
        ..Refusal::from(Fault::CloudConnectivityError).because("too many failed attempts")
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
    // A connector that waits is told the same; one that does not wait is done.
    let waiting = Connector { server, wait: true, ..field.desk(&desk, &device.address) };
    let (mut patient, _) = Running::connector(waiting.clone());
    assert!(matches!(patient.tells().await, Event::Waiting(said, _) if said == refusal));
    let (mut hasty, _) = Running::connector(Connector { wait: false, ..waiting });
    assert_eq!(hasty.refusal().await, refusal);
}

#[tokio::test]
async fn an_agent_that_is_told_to_stop_leaves_at_once_and_its_sessions_end_in_good_order() {
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
    until("its leave", || field.server.app().devices.listening(&address).is_none()).await;
    // A viewer that comes now is told that nobody is there.
    let mut late = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // It may be turned away before that.
    let _ = late.write_all(b"anybody?").await;
    let Event::Failed(refusal) = connector.tells().await else { panic!("somebody was there") };
    assert_eq!(refusal.fault, Fault::CloudTargetNotFound);
}
