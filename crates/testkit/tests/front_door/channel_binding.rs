//! Channel binding (RFC 5802 §6, RFC 9266): whoever ends a device's TLS in between cannot pass its proof on.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use transom_agent::{Agent, Connector, Enrolment, Event, Fault, Refusal, Retry, Server, Status};
use transom_server::Tls;
use transom_testkit::api::text;
use transom_testkit::certificate::Authority;
use transom_testkit::duplex::Route;
use transom_testkit::{Interceptor, TestServer};

use crate::devices::{Field, Running};
use crate::one_port::trust;

/// Hello with its binding to the exporter, and Hello that says that there is none (`tunnel::message`).
const TALKED_OUT_OF_IT: (&[u8], &[u8]) = (&[1, 0, 2, 1, 1], &[1, 0, 2, 1, 0]);

/// A way to the server on which somebody has a certificate that the device trusts.
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

    /// The server, as a device finds it that is led astray.
    fn place(&self) -> Server {
        Server::new(&self.somebody.url(), Some(&self.trusted.path().join("ca.pem")), false).unwrap()
    }
}

fn onward(field: &Field) -> Route {
    Route { tls: Some(trust(field.server.server().ca().unwrap())), ..Route::plain(field.server.address()) }
}

#[tokio::test]
async fn a_device_is_reached_over_tls_by_a_viewer_and_by_a_console() {
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
async fn whoever_ends_tls_in_between_cannot_join_in_a_devices_place() {
    let field = Field::on(TestServer::setup().tls(Tls::SelfSigned).start().await).await;
    let (device, desk) = field.pair().await;
    let plain = Route::plain(field.server.address());
    for (onward, instead) in [
        (onward(&field), None),
        (onward(&field), Some(TALKED_OUT_OF_IT)),
        // The server's own machine is served without TLS.
        (plain.clone(), None),
    ] {
        let ambush = Ambush::set(&field, onward, instead).await;
        let mut agent = Running::agent(Agent { server: ambush.place(), ..field.device(&device) });
        assert_eq!(agent.tells().await, Status::Searching);
        let Status::Waiting(refusal, _) = agent.tells().await else { panic!("it joined") };
        // It is not silenced for good.
        assert_eq!(refusal.fault, Fault::ConnectionIntercepted);
        assert!(matches!(refusal.retry, Retry::After(_)));
        let desk = Connector { server: ambush.place(), ..field.desk(&desk, &device.address) };
        let (mut connector, _) = Running::connector(desk);
        assert_eq!(connector.fault().await, Fault::ConnectionIntercepted);
    }
    assert_eq!(field.server.app().devices.joined(), 0);
}

#[tokio::test]
async fn whoever_ends_tls_in_between_cannot_enrol_by_what_a_device_says() {
    let field = Field::on(TestServer::setup().tls(Tls::SelfSigned).start().await).await;
    let key = field.server.api().add_key("alpha", "member").await;
    let api = field.server.api().with_key(&key);
    let made = api.post("/api/v1/enrolments", json!({"key": key.id, "count": 1})).await.done();
    let token = text(&made["items"][0], "token");
    let folder = tempfile::tempdir().unwrap();
    for (onward, instead) in [
        (onward(&field), None),
        (onward(&field), Some(TALKED_OUT_OF_IT)),
        (Route::plain(field.server.address()), None),
    ] {
        let ambush = Ambush::set(&field, onward, instead).await;
        let device = Enrolment::open(folder.path()).unwrap();
        let (stop, told) = (CancellationToken::new(), Mutex::new(None));
        // It is not silenced for good: it would try again.
        let wait = |refusal: &Refusal, _| {
            *told.lock() = Some(refusal.fault);
            stop.cancel();
        };
        assert!(device.enrol(&ambush.place(), &token, wait, &stop).await.unwrap().is_none());
        assert_eq!(*told.lock(), Some(Fault::ConnectionIntercepted));
    }
    // The token is still good, for the device itself.
    let device = Enrolment::open(folder.path()).unwrap();
    let enrolled = device.enrol(&field.place(), &token, |_, _| {}, &CancellationToken::new()).await;
    let credentials = enrolled.unwrap().unwrap();
    let (own, _) = field.pair().await;
    let _agent = Running::joined(Agent { credentials, ..field.device(&own) }).await;
}

#[tokio::test]
async fn an_old_version_of_tls_which_cannot_be_bound_to_is_no_way_around() {
    let field = Field::on(TestServer::setup().tls(Tls::SelfSigned).start().await).await;
    let (device, _) = field.pair().await;
    let mut roots = rustls::RootCertStore::empty();
    let ca = field.server.server().ca().unwrap();
    roots.add(rustls::pki_types::pem::PemObject::from_pem_file(ca).unwrap()).unwrap();
    let old = rustls::ClientConfig::builder_with_provider(transom_server::listener::tls::provider())
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
async fn behind_a_proxy_that_was_declared_to_end_tls_devices_join_unbound() {
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
