//! Sessions between a connector and a device: the side that speaks first, the side that closes, and
//! the chosen target.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use transom_agent::{AddressFilter, Agent, Ending, Event, Policy, RefusalCode, Status, Targets};
use transom_testkit::wait::within;

use crate::devices::{Address, Field, Running};

/// A device with targets of the test, and an address that may connect to it.
struct Lan {
    field: Field,
    device: Address,
    desk: Address,
    agent: Running<Status>,
    targets: Vec<TcpListener>,
}

impl Lan {
    /// The targets' names as in `--to`. An empty list creates a target without a name.
    async fn set(names: &[&str]) -> Self {
        let field = Field::set().await;
        let (device, desk) = field.pair().await;
        let (mut targets, mut list) = (Vec::new(), Vec::new());
        for name in names {
            let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let equals = if name.is_empty() { "" } else { "=" };
            list.push(format!("{name}{equals}{}", target.local_addr().unwrap()));
            targets.push(target);
        }
        let targets_of_agent = Targets::parse(&list).unwrap();
        let agent = Running::joined(Agent { targets: targets_of_agent, ..field.device(&device) }).await;
        Self { field, device, desk, agent, targets }
    }

    /// A session with the first target: its connector, its viewer's socket and its target's.
    async fn session(&mut self) -> (Running<Event>, TcpStream, TcpStream) {
        let (mut connector, port) = Running::ready(self.field.desk(&self.desk, &self.device.address)).await;
        let viewer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (guest, _) = within("the target's visitor", self.targets[0].accept()).await.unwrap();
        assert!(matches!(connector.tells().await, Event::Opened { .. }));
        assert!(matches!(self.agent.tells().await, Status::Opened { .. }));
        (connector, viewer, guest)
    }

    async fn closed(&mut self) -> Ending {
        let Status::Closed { peer, ending } = self.agent.tells().await else { panic!("it goes on") };
        assert_eq!(peer, format!("[vnccloud:{}]", self.desk.address));
        ending
    }
}

async fn says(from: &mut TcpStream, words: &[u8], to: &mut TcpStream) {
    from.write_all(words).await.unwrap();
    let mut heard = vec![0; words.len()];
    within("words", to.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, words);
}

async fn ends(stream: &mut TcpStream) -> std::io::Result<usize> {
    within("an end", stream.read(&mut [0])).await
}

#[tokio::test]
async fn roles_may_be_reversed_and_either_side_speaks_first() {
    // A viewer listens behind the agent, and a VNC server connects through the connector
    // (requirement C4).
    let mut lan = Lan::set(&[""]).await;
    let (_connector, mut vnc_server, mut viewer) = lan.session().await;
    says(&mut vnc_server, b"RFB 003.008\n", &mut viewer).await;
    says(&mut viewer, b"RFB 003.008\n", &mut vnc_server).await;
    // The usual direction.
    drop((vnc_server, viewer));
    let mut lan = Lan::set(&[""]).await;
    let (_connector, mut viewer, mut vnc_server) = lan.session().await;
    says(&mut vnc_server, b"RFB 003.008\n", &mut viewer).await;
    says(&mut viewer, b"RFB 003.008\n", &mut vnc_server).await;
}

#[tokio::test]
async fn a_closed_half_leaves_the_other_open_and_the_closing_side_is_reported() {
    for viewer_first in [true, false] {
        let mut lan = Lan::set(&[""]).await;
        let (mut connector, mut viewer, mut guest) = lan.session().await;
        let (first, second) =
            if viewer_first { (&mut viewer, &mut guest) } else { (&mut guest, &mut viewer) };
        first.write_all(b"the last").await.unwrap();
        first.shutdown().await.unwrap();
        let mut heard = Vec::new();
        within("an orderly end", second.read_to_end(&mut heard)).await.unwrap();
        assert_eq!(heard, b"the last");
        says(second, b"an answer", first).await;
        second.shutdown().await.unwrap();
        assert_eq!(ends(first).await.unwrap(), 0);
        let (at_the_desk, at_the_device) =
            if viewer_first { (Ending::Near, Ending::Far) } else { (Ending::Far, Ending::Near) };
        assert_eq!(connector.tells().await, Event::Closed(at_the_desk));
        assert_eq!(lan.closed().await, at_the_device);
        assert!(!at_the_desk.can_reconnect());
    }
}

#[tokio::test]
async fn an_abrupt_loss_at_one_end_is_abrupt_at_the_other() {
    for viewer_lost in [true, false] {
        let mut lan = Lan::set(&[""]).await;
        let (mut connector, viewer, guest) = lan.session().await;
        let (lost, mut other) = if viewer_lost { (viewer, guest) } else { (guest, viewer) };
        lost.set_zero_linger().unwrap();
        drop(lost);
        assert_eq!(ends(&mut other).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(connector.tells().await, Event::Closed(Ending::Dropped));
        assert_eq!(lan.closed().await, Ending::Dropped);
        assert!(Ending::Dropped.can_reconnect());
    }
}

#[tokio::test]
async fn a_neighbour_on_the_devices_network_is_reached_by_its_name() {
    let lan = Lan::set(&["", "plc", "camera"]).await;
    for (name, target) in [("", 0), ("/plc", 1), ("/camera", 2)] {
        let peer = format!("{}{name}", lan.device.address);
        let (_connector, port) = Running::ready(lan.field.desk(&lan.desk, &peer)).await;
        let mut viewer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut guest, _) = within("the target's visitor", lan.targets[target].accept()).await.unwrap();
        says(&mut guest, b"RFB 003.008\n", &mut viewer).await;
    }
    let peer = format!("{}/printer", lan.device.address);
    let (mut connector, port) = Running::ready(lan.field.desk(&lan.desk, &peer)).await;
    let mut viewer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_eq!(ends(&mut viewer).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let Event::Failed(refusal) = connector.tells().await else { panic!("it was let in") };
    let why = "it has no target named \"printer\"".to_owned();
    assert_eq!((refusal.code, refusal.detail), (RefusalCode::DeviceRefused, Some(why)));
}

/// Requirement S8.
#[tokio::test]
async fn a_device_has_one_session_at_a_time_with_each_connector() {
    let mut lan = Lan::set(&[""]).await;
    let (mut connector, viewer, guest) = lan.session().await;
    let port = viewer.peer_addr().unwrap().port();
    let mut second = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_eq!(ends(&mut second).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let Event::Failed(refusal) = connector.tells().await else { panic!("it was let in") };
    assert_eq!(refusal.code, RefusalCode::PeerBusy);
    drop((viewer, guest));
    for _ in 0..5 {
        let mut viewer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut guest, _) = within("the target's visitor", lan.targets[0].accept()).await.unwrap();
        says(&mut guest, b"RFB 003.008\n", &mut viewer).await;
    }
}

/// Requirements S4 and S12.
#[tokio::test]
async fn a_program_with_an_embedded_agent_decides_on_each_connector() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let (_, other) = field.pair().await;
    let wanted = format!("[vnccloud:{}]", desk.address);
    let policy = Policy { filter: AddressFilter::new(move |peer| peer == wanted), ..Policy::default() };
    let _agent = Running::joined(Agent { policy, ..field.device(&device) }).await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    field.session(&mut connector, port).await;
    let (mut connector, port) = Running::ready(field.desk(&other, &device.address)).await;
    let mut viewer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_eq!(ends(&mut viewer).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let Event::Failed(refusal) = connector.tells().await else { panic!("it was let in") };
    let why = format!("this device does not accept connections from [vnccloud:{}]", other.address);
    assert_eq!((refusal.code, refusal.detail), (RefusalCode::DeviceRefused, Some(why)));
}
