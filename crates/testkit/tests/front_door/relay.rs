//! The transport of a session's bytes: over the raw listener if it is reachable, otherwise over the
//! main port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::interval;
use transom_agent::{Connector, Event, Status};
use transom_config::{Limit, RelayConfig};
use transom_testkit::wait::{until, within};
use transom_testkit::{TestServer, clock};
use transom_tunnel::raw::{CLAIM, GREETING, REFUSED, WELCOME};

use crate::devices::{Field, Running};

const ANYWHERE: &str = "127.0.0.1:0";

/// A field whose server accepts raw data connections.
async fn raw_field(change: impl FnOnce(&mut RelayConfig)) -> Field {
    let server = TestServer::setup().config(|config| {
        config.relay.listen = Some(ANYWHERE.parse().unwrap());
        change(&mut config.relay);
    });
    Field::on(server.start().await).await
}

/// A device's agent, a connector that is ready for it, and the port for viewers.
async fn ready(field: &Field) -> (Running<Status>, Running<Event>, u16) {
    let (device, desk) = field.pair().await;
    let agent = field.joined(&device).await;
    let (mut connector, port) = field.connector(&desk, &device.address, false).await;
    assert_eq!(connector.tells().await, Event::Ready);
    (agent, connector, port)
}

/// Runs a session that its viewer ends.
async fn visit(field: &Field, connector: &mut Running<Event>, port: u16) {
    let (viewer, mut guest) = field.session(connector, port).await;
    drop(viewer);
    guest.ended().await;
    drop(guest);
    while !matches!(connector.tells().await, Event::Closed { .. }) {}
}

/// The end of the last of `count` sessions in the audit: the outcome and the detail.
async fn end(field: &Field, count: usize) -> (String, String) {
    let mut look = interval(Duration::from_millis(20));
    within("the records of ended sessions", async {
        loop {
            look.tick().await;
            let audit = field.server.api().get("/api/v1/audit?limit=100").await.done();
            let records = audit["items"].as_array().unwrap().iter();
            let found = records.filter(|record| record["action"] == "device.disconnect");
            let told = |record: &serde_json::Value, name: &str| record[name].as_str().unwrap().to_owned();
            let mut found = found.map(|record| (told(record, "outcome"), told(record, "detail")));
            if let Some(last) = found.nth(count - 1) {
                return last;
            }
        }
    })
    .await
}

/// A proxy at the advertised address of the raw listener.
struct Gate {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    passed: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Weather {
    /// The destination. `None` accepts connections and sends nothing.
    to: Option<SocketAddr>,
    /// The number of freezes. Connections from before the latest one carry no more data.
    freezes: usize,
    /// The number of cuts. Connections from before the latest one are reset.
    cuts: usize,
}

impl Gate {
    async fn open() -> Self {
        let listener = TcpListener::bind(ANYWHERE).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, seen) = watch::channel(Weather::default());
        let passed = Arc::new(AtomicUsize::new(0));
        let (mut tasks, counted) = (JoinSet::new(), Arc::clone(&passed));
        tasks.spawn(async move {
            let mut through = JoinSet::new();
            while let Ok((peer, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                through.spawn(lead(peer, seen.clone()));
            }
        });
        Self { address, weather, passed, _tasks: tasks }
    }

    /// A field whose devices find the raw listener at this proxy.
    async fn field(&self, change: impl FnOnce(&mut RelayConfig)) -> Field {
        let field = raw_field(|relay| {
            relay.public_address = Some(self.address.to_string());
            change(relay);
        });
        let field = field.await;
        self.weather.send_modify(|weather| weather.to = field.server.server().relay_address());
        field
    }

    fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }
}

async fn lead(mut peer: TcpStream, mut weather: watch::Receiver<Weather>) {
    let since = *weather.borrow_and_update();
    let Some(to) = since.to else { return std::future::pending().await };
    let mut relay = TcpStream::connect(to).await.unwrap();
    tokio::select! {
        _ = copy_bidirectional(&mut peer, &mut relay) => return,
        _ = weather.wait_for(|now| (now.freezes, now.cuts) != (since.freezes, since.cuts)) => {}
    }
    if weather.borrow().cuts == since.cuts {
        return std::future::pending().await;
    }
    for end in [peer, relay] {
        end.set_zero_linger().unwrap();
    }
}

#[tokio::test]
async fn both_sides_use_the_raw_listener_if_there_is_one() {
    let field = raw_field(|_| {}).await;
    let (_agent, mut connector, port) = ready(&field).await;
    let (mut viewer, mut guest) = field.session(&mut connector, port).await;
    guest.send(b"a screen");
    let mut screen = [0; 8];
    within("the screen", viewer.read_exact(&mut screen)).await.unwrap();
    viewer.write_all(b"a key").await.unwrap();
    assert_eq!(guest.take(5).await, b"a key");
    // One half closes while the other continues.
    viewer.shutdown().await.unwrap();
    guest.ended().await;
    guest.send(b"the rest");
    guest.finish();
    let mut rest = Vec::new();
    within("the rest", viewer.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"the rest");
    let (how, detail) = end(&field, 1).await;
    assert_eq!(how, "closed");
    assert_eq!(detail.matches("(raw)").count(), 2, "{detail}");
}

#[tokio::test]
async fn without_a_raw_listener_both_sides_use_the_main_port() {
    let field = Field::set().await;
    let (_agent, mut connector, port) = ready(&field).await;
    visit(&field, &mut connector, port).await;
    let (_, detail) = end(&field, 1).await;
    assert_eq!(detail.matches("(upgrade)").count(), 2, "{detail}");
}

#[tokio::test]
async fn an_unreachable_raw_listener_is_tried_once_and_then_avoided() {
    let gate = Gate::open().await;
    let field = gate.field(|_| {}).await;
    gate.weather.send_modify(|weather| weather.to = None);
    let (_agent, mut connector, port) = ready(&field).await;
    for round in 1..=2 {
        visit(&field, &mut connector, port).await;
        assert!(end(&field, round).await.1.contains("(upgrade"), "the one port serves");
        assert_eq!(gate.passed(), 2, "one try of each side");
    }
}

#[tokio::test]
async fn a_lost_connection_is_not_reported_as_an_orderly_end() {
    let gate = Gate::open().await;
    let field = gate.field(|_| {}).await;
    let (_agent, mut connector, port) = ready(&field).await;
    let (mut viewer, _guest) = field.session(&mut connector, port).await;
    gate.weather.send_modify(|weather| weather.cuts += 1);
    let lost = within("the viewer's end", viewer.read_u8()).await.expect_err("nothing comes");
    assert_eq!(lost.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(end(&field, 1).await.0, "lost");
}

#[tokio::test]
async fn a_viewer_that_reads_nothing_stops_the_device_without_losing_data() {
    const SCREENS: u64 = 128 * 1024 * 1024;
    let field = raw_field(|_| {}).await;
    let (_agent, mut connector, port) = ready(&field).await;
    let (mut viewer, guest) = field.session(&mut connector, port).await;
    guest.flood(SCREENS);
    // The data in transit is in the kernel's buffers of four connections.
    let taken = guest.stalled().await;
    assert!(taken < SCREENS * 3 / 4, "{taken} bytes were taken for a viewer that reads none");
    let (mut piece, mut read) = (vec![0; 1024 * 1024], 0);
    while read < SCREENS {
        let count = within("a piece", viewer.read(&mut piece)).await.unwrap();
        assert!(count > 0, "it ended after {read}");
        for (offset, byte) in piece[..count].iter().enumerate().step_by(997) {
            assert_eq!(u64::from(*byte), (read + offset as u64) % 251);
        }
        read += count as u64;
    }
    drop((viewer, guest));
    let (_, detail) = end(&field, 1).await;
    let carried = detail.split_once(" bytes to the device (raw), ").unwrap().1.split(' ').next().unwrap();
    assert!((SCREENS..SCREENS * 11 / 10).contains(&carried.parse().unwrap()), "{detail}");
}

#[tokio::test]
async fn s11_the_relay_enforces_a_connectors_rate_limit() {
    const LIMIT: u32 = 256 * 1024;
    for raw in [true, false] {
        let field = if raw { raw_field(|_| {}).await } else { Field::set().await };
        let (device, desk) = field.pair().await;
        let _agent = field.joined(&device).await;
        let limited = Connector { limit: Some(LIMIT), ..field.desk(&desk, &device.address) };
        let (mut connector, port) = Running::connector(limited);
        assert_eq!(connector.tells().await, Event::Ready);
        let (mut viewer, guest) = field.session(&mut connector, port).await;
        let begun = Instant::now();
        guest.send(&vec![7; 2 * LIMIT as usize]);
        let mut screen = vec![0; 2 * LIMIT as usize];
        within("two seconds' worth", viewer.read_exact(&mut screen)).await.unwrap();
        // The first eighth of a second's data arrives at once.
        assert!(begun.elapsed() > Duration::from_millis(1600), "{:?}, raw: {raw}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_session_ends_after_a_long_silence_or_at_its_maximum_duration() {
    let second = || Limit(Some(Duration::from_secs(1)));
    for (how, relay) in [
        ("idle", RelayConfig { idle: second(), ..RelayConfig::default() }),
        ("too-long", RelayConfig { max_session: second(), ..RelayConfig::default() }),
    ] {
        let field = raw_field(|config| *config = RelayConfig { listen: config.listen, ..relay }).await;
        let (_agent, mut connector, port) = ready(&field).await;
        let (_viewer, mut guest) = field.session(&mut connector, port).await;
        guest.ended().await;
        assert_eq!(end(&field, 1).await.0, how);
    }
}

#[tokio::test]
async fn after_a_first_session_the_agent_has_a_connection_ready() {
    for raw in [true, false] {
        let field = if raw { raw_field(|_| {}).await } else { Field::set().await };
        let (_agent, mut connector, port) = ready(&field).await;
        let mut round = 0;
        let kept = async {
            loop {
                round += 1;
                visit(&field, &mut connector, port).await;
                let (_, detail) = end(&field, round).await;
                if detail.contains(", standby") {
                    return detail;
                }
            }
        };
        let detail = within("a session over a connection that was ready", kept).await;
        // The connector opens its side when a viewer connects.
        assert_eq!(detail.matches("standby").count(), 1, "{detail}");
    }
}

#[tokio::test]
async fn a_ready_connection_that_its_nat_forgot_costs_seconds_but_no_session() {
    let gate = Gate::open().await;
    let field = gate.field(|_| {}).await;
    let (_agent, mut connector, port) = ready(&field).await;
    visit(&field, &mut connector, port).await;
    end(&field, 1).await;
    until("the agent has one ready", || gate.passed() == 3).await;
    gate.weather.send_modify(|weather| weather.freezes += 1);
    visit(&field, &mut connector, port).await;
    let (how, detail) = end(&field, 2).await;
    assert_eq!((&*how, detail.matches("(raw)").count()), ("closed", 2), "{detail}");
}

/// A connection to the raw listener, and its greeting.
async fn dial(relay: SocketAddr) -> (TcpStream, [u8; GREETING]) {
    let mut stream = TcpStream::connect(relay).await.unwrap();
    let mut greeting = [0; GREETING];
    within("a greeting", stream.read_exact(&mut greeting)).await.unwrap();
    (stream, greeting)
}

/// The relay's answer to a claim on a separate connection.
async fn verdict(relay: SocketAddr, claim: &[u8; CLAIM]) -> u8 {
    let (mut stream, _) = dial(relay).await;
    stream.write_all(claim).await.unwrap();
    within("a verdict", stream.read_u8()).await.unwrap()
}

/// Eavesdrops on a peer's data connection and replays the data, before and after the peer is
/// admitted.
async fn eavesdrop(mut peer: TcpStream, relay: SocketAddr) {
    let (mut onward, greeting) = dial(relay).await;
    peer.write_all(&greeting).await.unwrap();
    let mut claim = [0; CLAIM];
    peer.read_exact(&mut claim).await.unwrap();
    assert_eq!(verdict(relay, &claim).await, REFUSED, "on another connection");
    let (mut other_role, mut other_ticket, mut other_proof) = (claim, claim, claim);
    other_role[0] = 3 - claim[0];
    other_ticket[1] ^= 1;
    other_proof[CLAIM - 1] ^= 1;
    for forged in [other_role, other_ticket, other_proof, [0; CLAIM], [0xff; CLAIM]] {
        assert_eq!(verdict(relay, &forged).await, REFUSED, "{forged:02x?}");
    }
    // The ticket is still unspent.
    onward.write_all(&claim).await.unwrap();
    assert_eq!(within("a verdict", onward.read_u8()).await.unwrap(), WELCOME);
    peer.write_all(&[WELCOME]).await.unwrap();
    assert_eq!(verdict(relay, &claim).await, REFUSED, "a second time");
    let _ = copy_bidirectional(&mut peer, &mut onward).await;
}

#[tokio::test]
async fn an_eavesdropper_on_a_raw_connection_can_neither_use_nor_spend_its_ticket() {
    let ambush = TcpListener::bind(ANYWHERE).await.unwrap();
    let public = ambush.local_addr().unwrap().to_string();
    let field = raw_field(|relay| {
        relay.public_address = Some(public);
        relay.warm = 0;
    });
    let field = field.await;
    let relay = field.server.server().relay_address().unwrap();
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        let mut both = JoinSet::new();
        for _ in 0..2 {
            let (peer, _) = ambush.accept().await.unwrap();
            both.spawn(eavesdrop(peer, relay));
        }
        both.join_all().await;
    });
    let (_agent, mut connector, port) = ready(&field).await;
    visit(&field, &mut connector, port).await;
    within("both eavesdroppers", listening.join_all()).await;
    assert_eq!(end(&field, 1).await.0, "closed");
}

#[tokio::test]
async fn silent_raw_connections_are_closed_and_limited() {
    let server = TestServer::setup().config(|config| {
        config.relay.listen = Some(ANYWHERE.parse().unwrap());
        config.limits.half_open_per_source = 4;
    });
    let server = server.start().await;
    let relay = server.server().relay_address().unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        let (mut stream, _) = dial(relay).await;
        stream.write_all(&[1; CLAIM - 1]).await.unwrap();
        held.push(stream);
    }
    let mut fifth = TcpStream::connect(relay).await.unwrap();
    assert_eq!(within("its end", fifth.read(&mut [0])).await.unwrap_or(0), 0, "it is not greeted");
    clock::pass(Duration::from_secs(11)).await;
    for mut stream in held {
        assert_eq!(within("its end", stream.read(&mut [0])).await.unwrap_or(0), 0);
    }
    until("nothing is left of them", || server.server().half_open() == 0).await;
    dial(relay).await;
}
