//! Endpoints behind a WebSocket: `ws://`. The tests in `real` use QEMU's own; these have a server
//! that can also misbehave.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use transom_testkit::certificate::Authority;
use transom_testkit::{Instance, Script, TestServer};

use crate::stage::assert_live;
use crate::verdicts::{server_config, shown};

/// A server of WebSockets in front of a VNC server, as websockify is.
struct Front {
    address: SocketAddr,
    /// The request line's target and the headers of each request.
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    _tasks: JoinSet<()>,
}

/// The behaviour of such a server.
#[derive(Clone)]
struct Manner {
    /// The most bytes in a message. A ping follows each message.
    piece: usize,
    /// The value of `Authorization` that a request must have.
    authorization: Option<&'static str>,
    /// The configuration of TLS below the WebSocket.
    tls: Option<Arc<ServerConfig>>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { piece: 8192, authorization: None, tls: None }
    }
}

impl Front {
    async fn start(machine: &Instance, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let target = machine.endpoint().trim_start_matches("vnc://").to_owned();
        let seen = Arc::clone(&asked);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (target, manner, seen) = (target.clone(), manner.clone(), Arc::clone(&seen));
                connections.spawn(async move {
                    match manner.tls.clone() {
                        Some(config) => {
                            if let Ok(tls) = TlsAcceptor::from(config).accept(tcp).await {
                                serve(tls, target, manner, seen).await;
                            }
                        }
                        None => serve(tcp, target, manner, seen).await,
                    }
                });
            }
        });
        Self { address, asked, _tasks: tasks }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    target: String,
    manner: Manner,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
) {
    #[expect(clippy::result_large_err, reason = "the library's callback has this type")]
    let note = |request: &Request, mut response: Response| {
        asked.lock().push((request.uri().to_string(), request.headers().clone()));
        let shown = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if manner.authorization.is_some_and(|demanded| shown != Some(demanded)) {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::UNAUTHORIZED;
            return Err(refusal);
        }
        let picked = request.headers()["sec-websocket-protocol"].clone();
        response.headers_mut().insert("sec-websocket-protocol", picked);
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, note).await else { return };
    let mut machine = TcpStream::connect(target).await.unwrap();
    let mut buffer = [0; 8192];
    loop {
        tokio::select! {
            read = machine.read(&mut buffer) => {
                let Ok(count @ 1..) = read else { break };
                for piece in buffer[..count].chunks(manner.piece) {
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

/// Opens a console that ends, and returns its close code.
async fn end(server: &TestServer, id: &str) -> Option<u16> {
    let mut viewer = server.viewer().token(&server.console(id).await.token).open().await.unwrap();
    viewer.closed().await.code
}

#[tokio::test]
async fn a_console_opens_through_a_websocket_however_its_messages_are_cut() {
    let server = TestServer::start().await;
    for piece in [1, 3, 8192] {
        let machine = Instance::start(Script::default()).await;
        let front = Front::start(&machine, Manner { piece, ..Manner::default() }).await;
        let endpoint = format!("ws://localhost:{}/a/b?token=x%20y", front.address.port());
        let id = server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
        let mut viewer = server.viewer().token(&server.console(&id).await.token).view().await;
        assert_live(&mut viewer, &mut machine.guest().await).await;
        let asked = front.asked.lock().clone();
        let [(target, headers)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(target, "/a/b?token=x%20y");
        assert_eq!(headers["host"], format!("localhost:{}", front.address.port()));
    }
}

#[tokio::test]
async fn the_instances_end_is_the_consoles_end() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let front = Front::start(&machine, Manner::default()).await;
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

#[tokio::test]
async fn a_server_that_demands_authorization_gets_the_instances_headers() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let manner = Manner { authorization: Some("Bearer hushhush"), ..Manner::default() };
    let front = Front::start(&machine, manner).await;
    let headers = "Authorization: Bearer hushhush\r\n\nX-Rack: Jos\u{e9}";
    let body = json!({ "id": "vm", "endpoint": format!("ws://{}/", front.address), "headers": headers });
    let made = server.api().post("/api/v1/projects/alpha/instances", body).await.done();
    assert_eq!(made["security"]["headers"], true);
    assert!(!made.to_string().contains("hushhush"), "{made}");
    let mut viewer = server.viewer().token(&server.console("vm").await.token).view().await;
    assert_live(&mut viewer, &mut machine.guest().await).await;
    drop(viewer);
    let (_, sent) = front.asked.lock().pop().unwrap();
    assert_eq!(sent["x-rack"].as_bytes(), "Jos\u{e9}".as_bytes());
    for name in ["host", "upgrade", "connection", "sec-websocket-key", "authorization", "x-rack"] {
        assert_eq!(sent.get_all(name).iter().count(), 1, "{name}");
    }
    // A refused header is a refusal like others, and the text stays secret.
    let path = server.instance_path("vm");
    let test = async || server.api().post(&format!("{path}/test"), json!({})).await.done();
    assert_eq!(test().await["result"], "opens");
    for (headers, is_set) in [("Authorization: Bearer hushnope", true), ("", false)] {
        let changed = server.api().patch(&path, json!({ "headers": headers })).await.done();
        assert_eq!(changed["security"]["headers"], is_set);
        assert_eq!(end(&server, "vm").await, Some(4431), "{headers}");
        assert_eq!(test().await["reason"], "instance-refused-session");
    }
    let audit = server.api().get("/api/v1/audit?limit=1000").await.done();
    let details: Vec<_> = audit["items"].as_array().unwrap().iter().map(|record| &record["detail"]).collect();
    assert_eq!(details.iter().filter(|detail| **detail == "headers").count(), 2, "{details:?}");
    assert!(audit.to_string().contains("the server answers 401"), "{audit}");
    assert!(!audit.to_string().contains("hush"), "{audit}");
}

#[tokio::test]
async fn headers_are_for_websockets_and_do_not_touch_the_requests_own() {
    let server = TestServer::start().await;
    let api = server.api();
    let add = async |endpoint: &str, headers: &str| {
        let body = json!({ "endpoint": endpoint, "headers": headers });
        api.post("/api/v1/projects/alpha/instances", body).await
    };
    let needs = "headers: needs an endpoint ws:// or wss://: no other receives headers";
    for endpoint in ["vnc://127.0.0.1", "vnc+unix:/run/vnc.sock"] {
        assert_eq!(add(endpoint, "X: y").await.to_string(), format!("400 invalid: {needs}"));
        assert_eq!(add(endpoint, "").await.status, 201);
    }
    for name in ["host", "Connection", "UPGRADE", "Content-Length", "TE", "Sec-WebSocket-Protocol"] {
        let refused = add("ws://127.0.0.1/", &format!("X: y\n{name}: hushhush")).await.to_string();
        assert!(refused.starts_with("400 invalid: headers: line 2 must not set "), "{name}: {refused}");
        assert!(!refused.contains("hushhush"), "{refused}");
    }
    let long = format!("X: {}", "y".repeat(8192));
    for headers in ["X", "X: y\nx: z", "X: y\n z", "X: y\rZ: z", "X: \u{1}", " \n", &long] {
        let refused = add("ws://127.0.0.1/", headers).await.to_string();
        assert!(refused.starts_with("400 invalid: headers: "), "{headers:?}: {refused}");
    }
    let id = api.add_instance("alpha", json!({ "endpoint": "vnc://127.0.0.1" })).await;
    let change = async |body| api.patch(&server.instance_path(&id), body).await;
    assert_eq!(change(json!({ "headers": "X: y" })).await.to_string(), format!("409 conflict: {needs}"));
    assert_eq!(change(json!({ "headers": "" })).await.status, 200);
    let both = |endpoint: &str| json!({ "endpoint": endpoint, "headers": "X: y" });
    assert_eq!(change(both("wss://127.0.0.1/")).await.done()["security"]["headers"], true);
    assert_eq!(change(both("vnc://127.0.0.1")).await.to_string(), format!("400 invalid: {needs}"));
    let member = api.with_key(&api.add_key("alpha", "member").await);
    let refused = member.patch(&server.instance_path(&id), json!({ "headers": "" })).await;
    assert_eq!(refused.to_string(), "403 forbidden: this needs the role admin");
}

/// Headers that the operator entrusted to one server are not sent to another one that a key of the
/// project names.
#[tokio::test]
async fn moving_an_instance_by_a_project_does_not_move_its_headers() {
    let setup = TestServer::setup().config(|config| {
        config.endpoints.allow = vec!["127.0.0.1:1024-65535".parse().unwrap()];
    });
    let server = setup.start().await;
    let admin = server.api().with_key(&server.api().add_key("alpha", "admin").await);
    let machine = Instance::start(Script::default()).await;
    let front = Front::start(&machine, Manner::default()).await;
    let elsewhere = json!({ "endpoint": format!("ws://{}/elsewhere", front.address) });
    for (change, kept) in [
        (json!({ "name": "renamed" }), true),
        (elsewhere.clone(), false),
        (json!({ "endpoint": machine.endpoint() }), false),
        (json!({ "ca": "" }), false),
    ] {
        let body = json!({ "endpoint": format!("ws://{}/", front.address), "headers": "X-Secret: y" });
        let path = server.instance_path(&server.api().add_instance("alpha", body).await);
        let changed = admin.patch(&path, change.clone()).await.done();
        assert_eq!(changed["security"]["headers"], kept, "{change}");
    }
    let body =
        json!({ "id": "vm", "endpoint": format!("ws://{}/", front.address), "headers": "X-Secret: y" });
    server.api().add_instance("alpha", body).await;
    let open = async || {
        let viewer = server.viewer().token(&server.console("vm").await.token).view().await;
        drop((viewer, machine.guest().await));
        let (target, headers) = front.asked.lock().pop().unwrap();
        (target, headers.contains_key("x-secret"))
    };
    // The operator may move it.
    server.api().patch(&server.instance_path("vm"), elsewhere).await.done();
    assert_eq!(open().await, ("/elsewhere".to_owned(), true));
    let back = json!({ "endpoint": format!("ws://{}/", front.address) });
    admin.patch(&server.instance_path("vm"), back).await.done();
    assert_eq!(open().await, ("/".to_owned(), false));
}

#[tokio::test]
async fn a_client_certificate_is_shown_below_a_secure_websocket() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let authority = Authority::new();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.ca()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let (chain, key) = shown(&authority.issue("front"));
    let tls = server_config().with_client_cert_verifier(clients).with_single_cert(chain, key).unwrap();
    let manner = Manner { authorization: Some("Bearer x"), tls: Some(Arc::new(tls)), ..Manner::default() };
    let front = Front::start(&machine, manner).await;
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let client = authority.issue_to_client("gateway");
    let mut body = json!({
        "id": "vm", "endpoint": format!("wss://{}/", front.address), "ca": read(authority.ca()),
        "certificate": read(&client.cert), "key": read(&client.key), "headers": "Authorization: Bearer x",
    });
    server.api().add_instance("alpha", body.clone()).await;
    let mut viewer = server.viewer().token(&server.console("vm").await.token).view().await;
    assert_live(&mut viewer, &mut machine.guest().await).await;
    body["id"] = json!("stranger");
    body["certificate"] = json!("");
    server.api().add_instance("alpha", body).await;
    assert_eq!(end(&server, "stranger").await, Some(4434));
    assert_eq!(front.asked.lock().len(), 1);
}
