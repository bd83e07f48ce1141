//! Channel binding (RFC 5802 §6, RFC 9266): an interceptor that terminates a device's TLS cannot
//! reuse its proof.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use transom_agent::{Agent, Connector, Enrollment, Event, Refusal, RefusalCode, Retry, Server, Status};
use transom_server::Tls;
use transom_testkit::api::text;
use transom_testkit::certificate::Authority;
use transom_testkit::duplex::Route;
use transom_testkit::{Interceptor, TestServer};

use crate::devices::{Field, Running};
use crate::one_port::trust;

/// A Hello that binds to the exporter, and a Hello that claims to have no binding
/// (`tunnel::message`).
const TALKED_OUT_OF_IT: (&[u8], &[u8]) = (&[1, 0, 2, 1, 1], &[1, 0, 2, 1, 0]);

/// A route to the server on which an interceptor has a certificate that the device trusts.
struct Ambush {
    somebody: Interceptor,
    trusted: TempDir,
}

impl Ambush {
    async fn set(field: &Field, onward: Route, instead: Option<(&'static [u8], &'static [u8])>) -> Self {
        let authority = Authority::new();
        let trusted = tempfile::tempdir().unwrap();
        let own = field.server.server().ca().map(|ca| std::fs::read_to_string(ca).unwrap());
        let both = std::fs::read_to_string(authority.ca()).unwrap() + &own.unwrap_or_default();
        std::fs::write(trusted.path().join("ca.pem"), both).unwrap();
        let somebody = Interceptor::start(onward, &authority.issue("somebody"), instead).await;
        Self { somebody, trusted }
    }

    /// The server as a misdirected device finds it.
    fn place(&self) -> Server {
        Server::new(&self.somebody.url(), Some(&self.trusted.path().join("ca.pem")), false).unwrap()
    }
}

fn onward(field: &Field) -> Route {
    Route { tls: Some(trust(field.server.server().ca().unwrap())), ..Route::plain(field.server.address()) }
}

#[tokio::test]
async fn a_viewer_and_a_console_reach_a_device_over_tls() {
    let field = Field::on(TestServer::setup().tls(Tls::SelfSigned).start().await).await;
    let (device, desk) = field.pair().await;
    let _agent = field.joined(&device).await;
    let (mut connector, port) = field.connector(&desk, &device.address, false).await;
    assert_eq!(connector.tells().await, Event::Ready);
    field.session(&mut connector, port).await;
    let endpoint = serde_json::json!({ "endpoint": format!("cloud:{}", device.address) });
    let id = field.server.api().add_instance("alpha", endpoint).await;
    let token = field.server.console(&id).await.token;
    let ca = trust(field.server.server().ca().unwrap());
    field.server.viewer().tls(ca).token(&token).view().await;
}

#[tokio::test]
async fn an_interceptor_of_tls_cannot_join_in_place_of_a_device() {
    let field = Field::on(TestServer::setup().tls(Tls::SelfSigned).start().await).await;
    let (device, desk) = field.pair().await;
    let plain = Route::plain(field.server.address());
    for (onward, instead) in [
        (onward(&field), None),
        (onward(&field), Some(TALKED_OUT_OF_IT)),
        // The server serves its own machine without TLS.
        (plain.clone(), None),
    ] {
        let ambush = Ambush::set(&field, onward, instead).await;
        let mut agent = Running::agent(Agent { server: ambush.place(), ..field.device(&device) });
        assert_eq!(agent.tells().await, Status::Searching);
        let Status::Waiting(refusal, _) = agent.tells().await else { panic!("it joined") };
        // The device does not stop permanently.
        assert_eq!(refusal.code, RefusalCode::ConnectionIntercepted);
        assert!(matches!(refusal.retry, Retry::After(_)));
        let desk = Connector { server: ambush.place(), ..field.desk(&desk, &device.address) };
        let (mut connector, _) = Running::connector(desk);
        assert_eq!(connector.code().await, RefusalCode::ConnectionIntercepted);
    }
    assert_eq!(field.server.app().devices.joined.count(), 0);
}

#[tokio::test]
async fn an_interceptor_of_tls_cannot_enrol_with_a_devices_messages() {
    let field = Field::on(TestServer::setup().tls(Tls::SelfSigned).start().await).await;
    let key = field.server.api().add_key("alpha", "member").await;
    let api = field.server.api().with_key(&key);
    let made = api.post("/api/v1/enrollments", json!({"key": key.id, "count": 1})).await.done();
    let token = text(&made["items"][0], "token");
    let folder = tempfile::tempdir().unwrap();
    for (onward, instead) in [
        (onward(&field), None),
        (onward(&field), Some(TALKED_OUT_OF_IT)),
        (Route::plain(field.server.address()), None),
    ] {
        let ambush = Ambush::set(&field, onward, instead).await;
        let device = Enrollment::open(folder.path()).unwrap();
        let (stop, told) = (CancellationToken::new(), Mutex::new(None));
        // The device does not stop permanently: it would try again.
        let wait = |refusal: &Refusal, _| {
            *told.lock() = Some(refusal.code);
            stop.cancel();
        };
        assert!(device.enroll(&ambush.place(), &token, wait, &stop).await.unwrap().is_none());
        assert_eq!(*told.lock(), Some(RefusalCode::ConnectionIntercepted));
    }
    // The token is still valid for the device itself.
    let device = Enrollment::open(folder.path()).unwrap();
    let enrolled = device.enroll(&field.place(), &token, |_, _| {}, &CancellationToken::new()).await;
    let credentials = enrolled.unwrap().unwrap();
    let (own, _) = field.pair().await;
    let _agent = Running::joined(Agent { credentials, ..field.device(&own) }).await;
}

#[tokio::test]
async fn an_old_version_of_tls_without_channel_binding_does_not_help_an_interceptor() {
    let field = Field::on(TestServer::setup().tls(Tls::SelfSigned).start().await).await;
    let (device, _) = field.pair().await;
    let mut roots = rustls::RootCertStore::empty();
    let ca = field.server.server().ca().unwrap();
    roots.add(rustls::pki_types::pem::PemObject::from_pem_file(ca).unwrap()).unwrap();
    let old = rustls::ClientConfig::builder_with_provider(transom_net::provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let onward = Route { tls: Some(Arc::new(old)), ..Route::plain(field.server.address()) };
    let ambush = Ambush::set(&field, onward, None).await;
    let mut agent = Running::agent(Agent { server: ambush.place(), ..field.device(&device) });
    assert_eq!(agent.tells().await, Status::Searching);
    let Status::Waiting(refusal, _) = agent.tells().await else { panic!("it joined") };
    assert_eq!(refusal.detail.as_deref(), Some("the server answered 403"));
}

#[tokio::test]
async fn devices_behind_a_trusted_tls_proxy_join_without_channel_binding() {
    let declared = TestServer::setup().config(|config| {
        config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    });
    let field = Field::on(declared.start().await).await;
    let (device, desk) = field.pair().await;
    let proxy = Ambush::set(&field, Route::plain(field.server.address()), None).await;
    let _agent = Running::joined(Agent { server: proxy.place(), ..field.device(&device) }).await;
    let desk = Connector { server: proxy.place(), ..field.desk(&desk, &device.address) };
    let (mut connector, port) = Running::ready(desk).await;
    field.session(&mut connector, port).await;
}
