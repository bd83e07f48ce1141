//! Devices: agents that join, connectors that reach them under the access rule, and consoles that
//! lead to them.

use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use transom_agent::{
    Agent, Connector, Credentials, Door, Event, Identity, Peer, Policy, Refusal, RefusalCode, Server, Status,
    Targets, Verify,
};
use transom_testkit::api::text;
use transom_testkit::wait::{until, within};
use transom_testkit::{Api, Guest, Instance, Script, TestServer};

use crate::stage::assert_live;

/// The time within which a revocation takes effect (DEVICES: "within a second").
const AT_ONCE: Duration = Duration::from_secs(1);
/// ProtocolVersion, which both sides send (RFC 6143 §7.1.1).
const VERSION: &[u8; 12] = b"RFB 003.008\n";

/// A server, a machine that the server cannot dial, and the key that owns both cloud addresses.
pub(crate) struct Field {
    pub(crate) server: TestServer,
    pub(crate) machine: Instance,
    pub(crate) key: Api,
    pub(crate) state: TempDir,
}

#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) address: String,
    pub(crate) password: String,
}

/// A task that runs until the test drops it, and the events that it reports.
pub(crate) struct Running<T> {
    told: mpsc::UnboundedReceiver<T>,
    done: JoinSet<Result<(), Refusal>>,
    stop: CancellationToken,
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl<T> Running<T> {
    pub(crate) fn start(
        told: mpsc::UnboundedReceiver<T>,
        stop: CancellationToken,
        running: impl Future<Output = Result<(), Refusal>> + Send + 'static,
    ) -> Self {
        let mut done = JoinSet::new();
        done.spawn(running);
        Self { told, done, stop }
    }

    pub(crate) async fn tells(&mut self) -> T {
        within("the next thing that it tells", self.told.recv()).await.expect("it runs")
    }

    /// The next event, without a deadline.
    pub(crate) async fn told(&mut self) -> Option<T> {
        self.told.recv().await
    }

    /// Asks the task to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn done(&mut self) -> Result<(), Refusal> {
        within("its end", self.done.join_next()).await.expect("it ran").unwrap()
    }

    pub(crate) async fn code(&mut self) -> RefusalCode {
        self.refusal().await.code
    }

    pub(crate) async fn refusal(&mut self) -> Refusal {
        self.done().await.expect_err("it was refused")
    }
}

impl Running<Status> {
    pub(crate) fn agent(agent: Agent) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let running = agent.run(move |status| drop(tell.send(status)), stop.clone());
        Self::start(told, stop, running)
    }

    /// An agent that is online.
    pub(crate) async fn joined(agent: Agent) -> Self {
        let mut agent = Self::agent(agent);
        assert_eq!(agent.tells().await, Status::Searching);
        assert_eq!(agent.tells().await, Status::Online);
        agent
    }
}

impl Running<Event> {
    /// A connector, and the port for its viewers.
    pub(crate) fn connector(connector: Connector) -> (Self, u16) {
        let door = Door::tcp(([127, 0, 0, 1], 0).into()).unwrap();
        let port = door.address().unwrap().port();
        let (tell, told) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let running = connector.run(door, move |event| drop(tell.send(event)), stop.clone());
        (Self::start(told, stop, running), port)
    }

    /// A connector that has reached its peer.
    pub(crate) async fn ready(connector: Connector) -> (Self, u16) {
        let (mut connector, port) = Self::connector(connector);
        assert_eq!(connector.tells().await, Event::Ready);
        (connector, port)
    }
}

impl Field {
    pub(crate) async fn set() -> Self {
        Self::on(TestServer::start().await).await
    }

    pub(crate) async fn on(server: TestServer) -> Self {
        let machine = Instance::start(Script::default()).await;
        let key = server.api().with_key(&server.api().add_key("alpha", "member").await);
        Self { server, machine, key, state: tempfile::tempdir().unwrap() }
    }

    pub(crate) async fn address(&self, body: Value) -> Address {
        let made = self.key.post("/cloud/1.1/static-address", body).await.done();
        Address { address: text(&made, "cloudAddress"), password: text(&made, "cloudPassword") }
    }

    /// A listen address that lets in the group `staff`, and a connect address of that group.
    pub(crate) async fn pair(&self) -> (Address, Address) {
        let listen = json!({"allowedActions": ["listen"], "accessControl": {"groups": ["staff"]}});
        let connect = json!({"allowedActions": ["connect"], "groups": ["staff"]});
        (self.address(listen).await, self.address(connect).await)
    }

    /// The server as a device finds it.
    pub(crate) fn place(&self) -> Server {
        Server::new(&self.server.origin(), self.server.server().ca(), false).unwrap()
    }

    pub(crate) fn identity(&self, name: &str) -> Identity {
        Identity::open(&self.state.path().join(name)).unwrap()
    }

    /// The agent of the field's machine.
    pub(crate) fn device(&self, own: &Address) -> Agent {
        let target = self.machine.endpoint().trim_start_matches("vnc://").to_owned();
        Agent {
            server: self.place(),
            credentials: own.credentials(),
            identity: self.identity("device"),
            targets: Targets::parse(&[target]).unwrap(),
            policy: Policy::default(),
        }
    }

    pub(crate) fn agent(&self, own: &Address, policy: Policy) -> Running<Status> {
        Running::agent(Agent { policy, ..self.device(own) })
    }

    pub(crate) async fn joined(&self, own: &Address) -> Running<Status> {
        Running::joined(self.device(own)).await
    }

    /// A connector to this peer.
    pub(crate) fn desk(&self, own: &Address, peer: &str) -> Connector {
        Connector {
            server: self.place(),
            credentials: own.credentials(),
            identity: self.identity("viewer"),
            peer: peer.parse::<Peer>().unwrap(),
            fingerprint: None,
            verify: Verify::default(),
            renewed: None,
            wait: false,
            open_first: false,
            limit: None,
        }
    }

    /// A connector, and the port for its viewers.
    pub(crate) async fn connector(&self, own: &Address, peer: &str, wait: bool) -> (Running<Event>, u16) {
        Running::connector(Connector { wait, ..self.desk(own, peer) })
    }

    /// A session, from the viewer's socket to the machine.
    pub(crate) async fn session(&self, connector: &mut Running<Event>, port: u16) -> (TcpStream, Guest) {
        let viewer = view(port).await;
        assert!(matches!(connector.tells().await, Event::Opened { .. }));
        (viewer, self.machine.guest().await)
    }
}

impl Address {
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::new(self.address.parse().unwrap(), self.password.clone())
    }
}

/// A viewer's handshake up to ServerInit (RFC 6143 §7.1 to §7.3), with a machine without a
/// password.
pub(crate) async fn view(port: u16) -> TcpStream {
    let handshake = async {
        let mut viewer = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut version = [0; 12];
        viewer.read_exact(&mut version).await?;
        assert_eq!(&version, VERSION);
        viewer.write_all(VERSION).await?;
        assert_eq!(viewer.read_u16().await?, 0x0101);
        viewer.write_all(&[1]).await?;
        assert_eq!(viewer.read_u32().await?, 0);
        viewer.write_all(&[1]).await?;
        let mut init = [0; 28];
        viewer.read_exact(&mut init).await?;
        assert_eq!(&init[24..], b"fake");
        std::io::Result::Ok(viewer)
    };
    within("ServerInit through the relay", handshake).await.unwrap()
}

#[tokio::test]
async fn a_viewer_reaches_a_device_that_cannot_be_dialled() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut agent = field.joined(&device).await;
    let (mut connector, port) = field.connector(&desk, &device.address, false).await;
    assert_eq!(connector.tells().await, Event::Ready);
    let mut viewer = view(port).await;
    let mut guest = field.machine.guest().await;
    guest.send(b"a screen");
    let mut screen = [0; 8];
    within("the screen", viewer.read_exact(&mut screen)).await.unwrap();
    assert_eq!(&screen, b"a screen");
    viewer.write_all(b"a key").await.unwrap();
    assert_eq!(guest.take(5).await, b"a key");
    // Both ends saw the same two keys, so the session's TLS was not intercepted.
    let Event::Opened { phrase: at_the_desk, new: true, .. } = connector.tells().await else { panic!() };
    let Status::Opened { peer, phrase: at_the_device, new: true, .. } = agent.tells().await else { panic!() };
    assert_eq!((peer, at_the_device), (format!("[vnccloud:{}]", desk.address), at_the_desk));
    // The peer sees a close, not a lost connection.
    drop(viewer);
    guest.ended().await;
}

#[tokio::test]
async fn a_wrong_password_is_final_and_reported_as_such() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let wrong = Address { password: desk.password.clone(), ..device.clone() };
    assert_eq!(field.agent(&wrong, Policy::default()).code().await, RefusalCode::CloudAuthenticationFailed);
    let (mut connector, _) =
        field.connector(&Address { password: device.password, ..desk }, &device.address, false).await;
    assert_eq!(connector.code().await, RefusalCode::CloudAuthenticationFailed);
}

#[tokio::test]
async fn a_forbidden_connector_is_refused_and_an_offline_device_is_not_found() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let stranger = field.address(json!({"allowedActions": ["connect"], "groups": ["guests"]})).await;
    let _agent = field.joined(&device).await;
    let (mut refused, _) = field.connector(&stranger, &device.address, false).await;
    assert_eq!(refused.code().await, RefusalCode::CloudConnectionRefused);
    let (silent, _) = field.pair().await;
    let (mut absent, _) = field.connector(&desk, &silent.address, false).await;
    assert_eq!(absent.code().await, RefusalCode::CloudTargetNotFound);
}

#[tokio::test]
async fn an_address_of_another_key_looks_like_one_that_does_not_exist() {
    let field = Field::set().await;
    let (device, _) = field.pair().await;
    let _agent = field.joined(&device).await;
    let other = field.server.api().with_key(&field.server.api().add_key("alpha", "member").await);
    let made =
        other.post("/cloud/1.1/static-address", json!({"allowedActions": ["connect"], "groups": ["staff"]}));
    let made = made.await.done();
    let foreign = Address { address: text(&made, "cloudAddress"), password: text(&made, "cloudPassword") };
    let nobody = "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M";
    for peer in [&*device.address, nobody] {
        let (mut connector, _) = field.connector(&foreign, peer, false).await;
        assert_eq!(connector.refusal().await, RefusalCode::CloudTargetNotFound.into(), "{peer}");
    }
}

#[tokio::test]
async fn a_connector_that_waits_is_ready_when_the_device_joins() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let (mut connector, port) = field.connector(&desk, &device.address, true).await;
    let _agent = field.joined(&device).await;
    assert_eq!(connector.tells().await, Event::Ready);
    field.session(&mut connector, port).await;
}

#[tokio::test]
async fn the_newest_agent_of_an_address_wins() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut old = field.joined(&device).await;
    let _new = field.joined(&device).await;
    let Status::Waiting(refusal, wait) = old.tells().await else { panic!("the old one is told") };
    assert_eq!(refusal.code, RefusalCode::Superseded);
    assert!(wait >= Duration::from_secs(300), "{wait:?}");
    let (mut connector, port) = field.connector(&desk, &device.address, false).await;
    assert_eq!(connector.tells().await, Event::Ready);
    field.session(&mut connector, port).await;
}

#[tokio::test]
async fn removing_an_address_ends_its_sessions_at_once() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut agent = field.joined(&device).await;
    let (mut connector, port) = field.connector(&desk, &device.address, false).await;
    assert_eq!(connector.tells().await, Event::Ready);
    let (_viewer, mut guest) = field.session(&mut connector, port).await;
    field.key.delete(&format!("/cloud/1.1/static-address/{}", device.address)).await;
    timeout(AT_ONCE, guest.ended()).await.expect("the session ends within a second");
    assert_eq!(agent.code().await, RefusalCode::CloudAuthenticationFailed);
}

#[tokio::test]
async fn a_revoked_permission_ends_the_session_at_once_and_the_device_stays() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let _agent = field.joined(&device).await;
    let (mut connector, port) = field.connector(&desk, &device.address, false).await;
    assert_eq!(connector.tells().await, Event::Ready);
    let (_viewer, mut guest) = field.session(&mut connector, port).await;
    let path = format!("/api/v1/addresses/{}", device.address);
    field.server.api().patch(&path, json!({"allow_groups": ["guests"]})).await.done();
    timeout(AT_ONCE, guest.ended()).await.expect("the session ends within a second");
    let guest = field.address(json!({"allowedActions": ["connect"], "groups": ["guests"]})).await;
    let (mut connector, port) = field.connector(&guest, &device.address, false).await;
    assert_eq!(connector.tells().await, Event::Ready);
    field.session(&mut connector, port).await;
}

#[tokio::test]
async fn a_new_password_disconnects_the_agent_but_not_its_session() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut agent = field.joined(&device).await;
    let (mut connector, port) = field.connector(&desk, &device.address, false).await;
    assert_eq!(connector.tells().await, Event::Ready);
    let (mut viewer, mut guest) = field.session(&mut connector, port).await;
    assert!(matches!(agent.tells().await, Status::Opened { .. }));
    field.server.api().post(&format!("/api/v1/addresses/{}/reset", device.address), json!({})).await.done();
    let address = device.address.parse().unwrap();
    until("the agent's leave", || field.server.app().devices.joined.listening(&address).is_none()).await;
    viewer.write_all(b"a key").await.unwrap();
    assert_eq!(guest.take(5).await, b"a key");
    drop(viewer);
    guest.ended().await;
    // The session is over when the machine closes its half too.
    drop(guest);
    assert_eq!(agent.code().await, RefusalCode::CloudAuthenticationFailed);
}

#[tokio::test]
async fn a_console_opens_on_a_device_and_ends_with_its_address() {
    let field = Field::set().await;
    let (device, _) = field.pair().await;
    let mut agent = field.joined(&device).await;
    let endpoint = format!("cloud:{}", device.address);
    let id = field.server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
    let mut viewer = field.server.viewer().token(&field.server.console(&id).await.token).view().await;
    let mut guest = field.machine.guest().await;
    assert_live(&mut viewer, &mut guest).await;
    assert!(matches!(agent.tells().await, Status::Opened { peer, .. } if peer == "[vnccloud:gateway]"));
    field.key.delete(&format!("/cloud/1.1/static-address/{}", device.address)).await;
    timeout(AT_ONCE, guest.ended()).await.expect("the console ends within a second");
}

#[tokio::test]
async fn a_console_reports_that_its_device_is_offline_or_refuses_consoles() {
    let field = Field::set().await;
    let (device, _) = field.pair().await;
    let endpoint = format!("cloud:{}", device.address);
    let id = field.server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
    let end = async || {
        let token = field.server.console(&id).await.token;
        field.server.viewer().token(&token).open().await.unwrap().closed().await.to_string()
    };
    assert!(end().await.starts_with("4435 "));
    let mut agent = field.agent(&device, Policy { end_to_end_only: true, ..Policy::default() });
    agent.tells().await;
    assert_eq!(agent.tells().await, Status::Online);
    assert!(end().await.starts_with("4437 "));
    assert_eq!(field.machine.arrived(), 0);
}

#[tokio::test]
async fn a_test_of_a_devices_instance_goes_through_the_device() {
    let field = Field::set().await;
    let (device, _) = field.pair().await;
    let endpoint = format!("cloud:{}", device.address);
    let id = field.server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
    let path = format!("{}/test", field.server.instance_path(&id));
    let test = async || field.server.api().post(&path, json!({})).await.done();
    let offline = test().await;
    assert_eq!(offline["reason"], "device-offline", "{offline}");
    assert_eq!(offline["steps"][0]["name"], "connect");
    let _agent = field.joined(&device).await;
    let online = test().await;
    assert_eq!(online["result"], "opens", "{online}");
    field.machine.guest().await.ended().await;
}
