//! The single port: TLS and plain text, both versions of HTTP, and raw CONNECT on the same
//! listener.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_config::TlsFiles;
use transom_server::Tls;
use transom_testkit::duplex::{Duplex, Route};
use transom_testkit::wait::within;
use transom_testkit::{Instance, Opening, Script, TestServer, clock, log};

use crate::stage::{Stage, assert_live};

/// A viewer's trust in the certificates of a PEM file.
pub(crate) fn trust(pem: &Path) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(transom_net::provider());
    let config = config.with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// Writes a new certificate for `localhost` and its key to the server's files.
fn issue(files: &TlsFiles) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(&files.cert, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
}

async fn status_of(stream: &mut Box<dyn Duplex>, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = [0; 12];
    within("an answer", stream.read_exact(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn tls_and_plain_are_served_on_the_same_port() {
    let server = TestServer::setup().tls(Tls::SelfSigned).start().await;
    let trust = trust(server.server().ca().unwrap());
    let machine = Instance::start(Script::default()).await;
    let id = server.add(&machine).await;
    let console = server.console(&id).await;
    assert!(console.url.starts_with("https://127.0.0.1:"), "{}", console.url);
    let viewer = |token: &str| server.viewer().token(token);
    let mut encrypted = viewer(&console.token).tls(Arc::clone(&trust)).view().await;
    assert_live(&mut encrypted, &mut machine.guest().await).await;
    let mut plain = viewer(&server.console(&id).await.token).view().await;
    assert_live(&mut plain, &mut machine.guest().await).await;
    let path = format!("/console?token={}", server.console(&id).await.token);
    let mut raw = server.viewer().tls(trust).path(&path).connect().await.unwrap();
    raw.greet().await.unwrap();
    let mut guest = machine.guest().await;
    guest.send(&[9; 300_000]);
    assert_eq!(raw.take(300_000).await.unwrap(), [9; 300_000]);
    assert_live(&mut raw, &mut guest).await;
}

#[tokio::test]
async fn the_key_agreement_resists_quantum_computers() {
    let server = TestServer::setup().tls(Tls::SelfSigned).start().await;
    let trust = trust(server.server().ca().unwrap());
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let tcp = Route::plain(server.address()).connect_tcp().await;
    let tls = tokio_rustls::TlsConnector::from(trust).connect(name, tcp).await.unwrap();
    let group = tls.get_ref().1.negotiated_key_exchange_group().map(|group| group.name());
    assert_eq!(group, Some(rustls::NamedGroup::X25519MLKEM768));
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_no_session_is_dropped() {
    let setup = TestServer::setup();
    let files = TlsFiles { cert: setup.folder().join("cert.pem"), key: setup.folder().join("key.pem") };
    issue(&files);
    let old = trust(&files.cert);
    // The operator's calls use plain HTTP, because the certificate is not trusted.
    let server = setup.tls(Tls::Files(files.clone())).start_bare().await;
    let api = server.plain_api();
    api.add_project("alpha").await;
    let machine = Instance::start(Script::default()).await;
    let id = api.add_instance("alpha", serde_json::json!({ "endpoint": machine.endpoint() })).await;
    let token = api.console("alpha", &id, serde_json::json!({})).await.token;
    let mut viewer = server.viewer().token(&token).tls(Arc::clone(&old)).view().await;
    let mut guest = machine.guest().await;

    guest.send(b"pixels");
    assert_eq!(viewer.take(6).await.unwrap(), b"pixels", "it is more than a handshake");

    // A mismatched pair comes first. The old one stays, and the log reports that once.
    let log = log::capture();
    std::fs::write(&files.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    for _ in 0..3 {
        look_again(&server).await;
    }
    let key = files.key.display().to_string();
    let said = log.text();
    let said = said.lines().filter(|line| line.contains("the old one stays") && line.contains(&key));
    assert_eq!(said.count(), 1);
    assert_eq!(
        status_of(&mut server.viewer().tls(Arc::clone(&old)).bare().await, HEALTH).await,
        "HTTP/1.1 200"
    );

    issue(&files);
    look_again(&server).await;
    let renewed = server.viewer().tls(trust(&files.cert)).bare();
    assert_eq!(status_of(&mut renewed.await, HEALTH).await, "HTTP/1.1 200");
    assert_live(&mut viewer, &mut guest).await;
}

/// Makes the server check its certificate files.
async fn look_again(server: &TestServer) {
    clock::pass(Duration::from_secs(6)).await;
    server.plain_api().get("/healthz").await;
}

#[tokio::test]
async fn a_tls_client_is_disconnected_if_tls_is_not_configured() {
    let server = TestServer::start().await;
    let mut stream = server.viewer().bare().await;
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    let mut rest = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn plain_http_from_another_machine_is_refused_unless_a_proxy_is_trusted() {
    let Some(address) = own_address() else {
        // A machine with loopback addresses only has no other source to refuse.
        return;
    };
    let server = TestServer::setup().listen(Ipv4Addr::UNSPECIFIED).start_bare().await;
    let route = Route::plain((address, server.address().port()).into());
    // The request comes from that address, which is not loopback.
    let mut stream = Opening::new(route).bare().await;
    assert_eq!(status_of(&mut stream, HEALTH).await, "HTTP/1.1 400");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("in [http] trusted_proxies.\n"), "{rest}");
    let mut stream = Opening::new(Route::plain((address, server.address().port()).into())).bare().await;
    let socket = "GET /websockify HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(status_of(&mut stream, socket).await, "HTTP/1.1 400");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(
        rest.contains("X-Refusal: This server accepts plain HTTP") && rest.ends_with("\r\n\r\n"),
        "{rest}"
    );

    let server = TestServer::setup().listen(Ipv4Addr::UNSPECIFIED).config(|config| {
        config.http.trusted_proxies = vec![address.into()];
    });
    let server = server.start_bare().await;
    let route = Route::plain((address, server.address().port()).into());
    assert_eq!(status_of(&mut Opening::new(route).bare().await, HEALTH).await, "HTTP/1.1 200");
}

/// An address of this machine that is not loopback: the source of its outgoing connections. Sends
/// nothing.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().unwrap().ip()).filter(|address| !address.is_loopback())
}

#[tokio::test]
async fn http_2_works_without_negotiation() {
    let server = TestServer::start().await;
    let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let answer = http.get(format!("{}/healthz", server.origin())).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
}

#[tokio::test]
async fn a_plain_request_to_a_websocket_path_is_told_how_to_upgrade() {
    let server = TestServer::start().await;
    let api = server.api().anonymous();
    assert_eq!(api.get("/websockify").await.status, 426);
    assert_eq!(api.get("/console/session").await.status, 426);
    let upgrade = |version: &str, key: &str| {
        let request = api.request(http::Method::GET, "/websockify").header("connection", "Upgrade");
        let request = request.header("upgrade", "websocket").header("sec-websocket-version", version);
        transom_testkit::api::send(request.header("sec-websocket-key", key))
    };
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    let old = upgrade("8", KEY).await;
    assert_eq!((old.status, &old.headers["sec-websocket-version"]), (426, &"13".parse().unwrap()));
    let short = upgrade("13", "short").await;
    let why = "Sec-WebSocket-Key is missing or malformed";
    assert_eq!((short.status, short.text.as_str()), (400, ""));
    assert_eq!(short.headers["x-refusal"], why);
}

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let server = TestServer::start().await;
    for path in ["/healthz", "/api/v1/nothing", "/nothing", "/console"] {
        let answer = server.api().get(path).await;
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert!(id.starts_with("req-"), "{path}: {id}");
    }
}

#[tokio::test]
async fn only_get_and_head_show_the_page() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let api = stage.server.api().anonymous();
    let call = |method: http::Method| {
        transom_testkit::api::send(api.request(method, &format!("/console?token={token}")))
    };
    for (method, status) in
        [("GET", 200), ("HEAD", 200), ("POST", 405), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 405)]
    {
        assert_eq!(call(method.parse().unwrap()).await.status, status, "{method}");
    }
    stage.server.viewer().token(&token).view().await;
}

#[tokio::test]
async fn an_extra_slash_has_no_effect() {
    let stage = Stage::set().await;
    let api = stage.server.api().anonymous();
    let page = api.get("/console").await.text;
    for path in ["/console/", "/vnc.html/", "/vnc_lite.html/", "/vnc_auto.html/"] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.text == page), (200, true), "{path}");
    }
    for path in ["/websockify/", "/console/session/", "//websockify", "//websockify/"] {
        assert_eq!(api.get(path).await.status, 426, "{path}");
        let token = stage.token().await;
        stage.server.viewer().path(&format!("{path}?token={token}")).view().await;
        // After another request, the upgrade goes through the HTTP library.
        let token = stage.token().await;
        let viewer = stage.server.viewer().path(&format!("{path}?token={token}"));
        viewer.cookie(&"x".repeat(2000)).view().await;
    }
    let path = format!("/console/?token={}", stage.token().await);
    stage.server.viewer().path(&path).connect().await.unwrap().greet().await.unwrap();
}

/// A browser sends a company's cookies to every host of its domain.
#[tokio::test]
async fn a_request_may_have_32_kib_of_headers() {
    let server = TestServer::setup().tls(Tls::SelfSigned).start().await;
    let stage = Stage::on(server, Script::default()).await;
    let cookie = format!("a={}", "x".repeat(31 * 1024 + 512));
    for api in [stage.server.api().anonymous(), stage.server.plain_api().anonymous()] {
        let page = api.request(http::Method::GET, "/console").header("cookie", &cookie);
        assert_eq!(transom_testkit::api::send(page).await.status, 200);
        let token = stage.token().await;
        let exchange = api.request(http::Method::POST, "/console/exchange").header("cookie", &cookie);
        let exchange = exchange.json(&serde_json::json!({ "token": token }));
        assert_eq!(transom_testkit::api::send(exchange).await.status, 200);
    }
    let token = stage.token().await;
    stage.server.viewer().token(&token).cookie(&cookie).view().await;
    let path = format!("/console?token={}", stage.token().await);
    let raw = stage.server.viewer().path(&path).cookie(&cookie);
    raw.connect().await.unwrap().greet().await.unwrap();
}

/// Over HTTP/2, a browser sends each cookie as a separate field, which counts for more (RFC 9113
/// §6.5.2).
#[tokio::test]
async fn a_request_may_have_32_kib_of_short_cookies() {
    let server = TestServer::setup().tls(Tls::SelfSigned).start().await;
    let stage = Stage::on(server, Script::default()).await;
    let cookies: Vec<_> = (0..1500).map(|number| format!("name{number:04}=value{number:05}")).collect();
    let whole = cookies.join("; ");
    assert!((30_000..32 * 1024).contains(&whole.len()), "{}", whole.len());
    let (http_2, http_1) = (stage.server.api().anonymous(), stage.server.plain_api().anonymous());
    let page = |api: &transom_testkit::Api| api.request(http::Method::GET, "/console");
    let each = cookies.iter().fold(page(&http_2), |page, cookie| page.header("cookie", cookie));
    let answer = each.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    assert_eq!(transom_testkit::api::send(page(&http_1).header("cookie", &whole)).await.status, 200);
    stage.server.viewer().token(&stage.token().await).cookie(&whole).view().await;
}

/// The limit is reported in each of the ways in which a request may come.
#[tokio::test]
async fn an_oversized_request_head_is_refused_with_the_reason() {
    const WORDS: &str = "The request's headers are too long: the limit is 32 KiB.";
    let server = TestServer::setup().tls(Tls::SelfSigned).start().await;
    for (api, length) in [
        (server.api().anonymous(), 40 * 1024),
        (server.plain_api().anonymous(), 40 * 1024),
        // The request exceeds the kernel's buffers, so the server must read it before it answers.
        (server.plain_api().anonymous(), 200 * 1024),
    ] {
        for path in ["/console", "/api/v1/projects", "/websockify?token=x"] {
            let request = api.request(http::Method::GET, path).header("cookie", "x".repeat(length));
            let answer = transom_testkit::api::send(request).await;
            assert_eq!(answer.status, 431, "{path} {length}");
            assert!(answer.text.starts_with(WORDS), "{path} {length}: {}", answer.text);
        }
    }
    let viewer = server.viewer().token("x").cookie(&"x".repeat(40 * 1024));
    let Err(refused) = viewer.open().await else { panic!("it is let in") };
    assert!(refused.0.status == 431 && refused.0.text.starts_with(WORDS), "{refused:?}");
}
