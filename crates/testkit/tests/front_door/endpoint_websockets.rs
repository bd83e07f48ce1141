//! Endpoints behind a WebSocket: `ws://`. The tests in `real` use QEMU's own; these have a server
//! that can also misbehave.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use transom_testkit::{Instance, Script, TestServer};

use crate::stage::assert_live;

/// A server of WebSockets in front of a VNC server, as websockify is.
struct Front {
    address: SocketAddr,
    /// The request line's target and the `Host` of each request.
    asked: Arc<Mutex<Vec<(String, String)>>>,
    _tasks: JoinSet<()>,
}

impl Front {
    /// Starts a server that splits the VNC server's bytes into messages of at most `piece` bytes,
    /// with a ping between them.
    async fn start(machine: &Instance, piece: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let target = machine.endpoint().trim_start_matches("vnc://").to_owned();
        let seen = Arc::clone(&asked);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                connections.spawn(serve(tcp, target.clone(), piece, Arc::clone(&seen)));
            }
        });
        Self { address, asked, _tasks: tasks }
    }
}

async fn serve(tcp: TcpStream, target: String, piece: usize, asked: Arc<Mutex<Vec<(String, String)>>>) {
    #[expect(clippy::result_large_err, reason = "the library's callback has this type")]
    let note = |request: &Request, mut response: Response| {
        let header = |name| request.headers()[name].to_str().unwrap().to_owned();
        asked.lock().push((request.uri().to_string(), header("host")));
        let picked = header("sec-websocket-protocol").parse().unwrap();
        response.headers_mut().insert("sec-websocket-protocol", picked);
        Ok(response)
    };
    let mut socket = accept_hdr_async(tcp, note).await.unwrap();
    let mut machine = TcpStream::connect(target).await.unwrap();
    let mut buffer = [0; 8192];
    loop {
        tokio::select! {
            read = machine.read(&mut buffer) => {
                let Ok(count @ 1..) = read else { break };
                for piece in buffer[..count].chunks(piece) {
                    let data = Message::Binary(piece.to_vec().into());
                    if socket.send(data).await.is_err() || socket.send(Message::Ping("?".into())).await.is_err() {
                        return;
                    }
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => machine.write_all(&bytes).await.unwrap(),
                Some(Ok(_)) => {}
                _ => break,
            },
        }
    }
    let _ = socket.close(None).await;
}

#[tokio::test]
async fn a_console_opens_through_a_websocket_however_its_messages_are_cut() {
    let server = TestServer::start().await;
    for piece in [1, 3, 8192] {
        let machine = Instance::start(Script::default()).await;
        let front = Front::start(&machine, piece).await;
        let endpoint = format!("ws://localhost:{}/a/b?token=x%20y", front.address.port());
        let id = server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
        let mut viewer = server.viewer().token(&server.console(&id).await.token).view().await;
        assert_live(&mut viewer, &mut machine.guest().await).await;
        let asked = front.asked.lock().clone();
        let expected = ("/a/b?token=x%20y".to_owned(), format!("localhost:{}", front.address.port()));
        assert_eq!(asked, [expected]);
    }
}

#[tokio::test]
async fn the_instances_end_is_the_consoles_end() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let front = Front::start(&machine, 8192).await;
    let id =
        server.api().add_instance("alpha", json!({ "endpoint": format!("ws://{}/", front.address) })).await;
    let token = server.console_with(&id, json!({ "uses": 0 })).await.token;
    let mut viewer = server.viewer().token(&token).view().await;
    let guest = machine.guest().await;
    drop(guest);
    assert_eq!(viewer.closed().await.code, Some(4433));
    // The viewer's end reaches the instance.
    let viewer = server.viewer().token(&token).view().await;
    let mut guest = machine.guest().await;
    drop(viewer);
    guest.ended().await;
}

#[tokio::test]
async fn a_server_that_is_no_websocket_is_named_in_the_audit() {
    let server = TestServer::start().await;
    for (answer, code, detail) in [
        (&b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"[..], 4431, "the server answers 401"),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://169.254.169.254/\r\n\r\n", 4431, "the server answers 302"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 4431, "does not switch"),
        (b"RFB 003.008\n", 4426, "the answer is not HTTP/1.1"),
    ] {
        let machine = Instance::start(Script::default().greets(answer)).await;
        let endpoint = machine.endpoint().replace("vnc://", "ws://");
        let id = server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
        let mut viewer = server.viewer().token(&server.console(&id).await.token).open().await.unwrap();
        let closed = viewer.closed().await;
        assert_eq!(closed.code, Some(code), "{detail}: {closed}");
        let audit = server.api().get("/api/v1/audit?limit=1000").await.done().to_string();
        assert!(audit.contains(detail), "{detail}: {audit}");
    }
}

#[tokio::test]
async fn the_allow_list_holds_for_websockets_too() {
    let setup = TestServer::setup().config(|config| {
        config.endpoints.allow = vec!["127.0.0.1:1024-65535".parse().unwrap()];
    });
    let server = setup.start().await;
    let admin = server.api().with_key(&server.api().add_key("alpha", "admin").await);
    for (endpoint, status) in [
        ("ws://127.0.0.1:5700/", 201),
        ("ws://127.0.0.1/", 403),
        ("wss://127.0.0.2:5700/", 403),
        ("ws://user:password@127.0.0.1:5700/", 400),
        ("ws://127.0.0.1:5700/a b", 400),
        ("wss://127.0.0.1:5700/#part", 400),
    ] {
        let added = admin.post("/api/v1/projects/alpha/instances", json!({ "endpoint": endpoint })).await;
        assert_eq!(added.status, status, "{endpoint}: {added}");
    }
}
