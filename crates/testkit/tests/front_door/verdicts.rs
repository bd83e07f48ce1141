//! Verdicts: a reason that an instance has sent is reported, however its connection continues.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tokio::time::timeout;
use transom_model::EndReason;
use transom_testkit::api::text;
use transom_testkit::certificate::{Authority, Certificate};
use transom_testkit::instance::{Act, Scenario};
use transom_testkit::{Script, TestServer};

use crate::stage::{Stage, assert_live, kept, plain};

/// The longest time that a person waits for a verdict that has arrived.
const PROMPT: Duration = Duration::from_secs(15);

const V33: &[u8] = b"RFB 003.003\n";
const V37: &[u8] = b"RFB 003.007\n";
const V38: &[u8] = b"RFB 003.008\n";
const FAILED: &[u8] = b"\0\0\0\x01";

fn say(bytes: &[u8]) -> Act {
    Act::Say(bytes.to_vec())
}

/// VNC authentication in this version, up to the response.
fn authentication(version: &[u8]) -> Vec<Act> {
    let offer: &[u8] = if version == V33 { b"\0\0\0\x02" } else { b"\x01\x02" };
    let chosen = if version == V33 { 0 } else { 1 };
    let challenge = say(&[7; 16]);
    vec![say(version), Act::Hear(12), say(offer), Act::Hear(chosen), challenge, Act::Hear(16)]
}

fn then(mut acts: Vec<Act>, more: &[Act]) -> Vec<Act> {
    acts.extend_from_slice(more);
    acts
}

#[tokio::test]
async fn a_verdict_counts_without_its_reason() {
    let server = TestServer::start().await;
    let greeted = |version: &[u8], refusal: &[u8]| vec![say(version), Act::Hear(12), say(refusal)];
    let cut: &[u8] = b"\0\0\0\x1ebad pass";
    let wrong = EndReason::InstancePasswordWrong;
    let refused = EndReason::InstanceRefusedSession;
    let cases = [
        (then(authentication(V38), &[say(FAILED), Act::Hang]), wrong, ""),
        (then(authentication(V38), &[say(FAILED), Act::Reset]), wrong, ""),
        (then(authentication(V38), &[say(FAILED)]), wrong, ""),
        (then(authentication(V38), &[say(FAILED), say(cut), Act::Hang]), wrong, "bad pass"),
        (then(authentication(V38), &[say(FAILED), say(cut), Act::Reset]), wrong, ""),
        (then(authentication(V37), &[say(FAILED), Act::Hang]), wrong, ""),
        (then(authentication(V33), &[say(FAILED), Act::Hang]), wrong, ""),
        (then(authentication(V38), &[say(b"\0\0\0\x02"), Act::Hang]), refused, ""),
        (then(greeted(V38, b"\0"), &[Act::Hang]), refused, ""),
        (then(greeted(V38, b"\0"), &[Act::Reset]), refused, ""),
        (then(greeted(V37, b"\0\0\0\0\x09too"), &[Act::Hang]), refused, "too"),
        (then(greeted(V33, b"\0\0\0\0"), &[Act::Hang]), refused, ""),
        // The server sends everything at once and disconnects before the gateway sends its version.
        (vec![say(b"RFB 003.008\n\0\0\0\0\x09too many!")], refused, "too many!"),
    ];
    // All run at once, because some wait a moment for their reason.
    let mut opened = Vec::new();
    for (acts, reason, words) in cases {
        let machine = Scenario::start(acts).await;
        let body = json!({ "endpoint": machine.endpoint(), "password": "curtains" });
        let id = server.api().add_instance("alpha", body).await;
        let link = server.console(&id).await;
        let viewer = server.viewer().token(&link.token).open().await.unwrap();
        opened.push((machine, viewer, link.grant, reason, words));
    }
    for (number, (_machine, mut viewer, grant, reason, words)) in opened.into_iter().enumerate() {
        let end = timeout(PROMPT, viewer.closed()).await.unwrap_or_else(|_| panic!("case {number}: late"));
        assert_eq!(end.to_string(), plain(reason), "case {number}");
        let records = server.api().get(&format!("/api/v1/audit?link={grant}")).await.done();
        let failed = records["items"].as_array().unwrap().last().cloned().unwrap();
        let detail = text(&failed, "detail");
        assert!(detail.contains(words), "case {number}: {detail}");
    }
}

#[tokio::test]
async fn a_screen_whose_size_comes_later_opens() {
    for (width, height) in [(0, 0), (0, 480), (640, 0)] {
        let stage = Stage::with(Script::default().screen(width, height)).await;
        let mut viewer = stage.server.viewer().token(&stage.token().await).open().await.unwrap();
        let init = viewer.greet().await.unwrap();
        assert_eq!((init.width, init.height), (width, height));
        assert_live(&mut viewer, &mut stage.machine.guest().await).await;
    }
}

pub(crate) fn shown(certificate: &Certificate) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_file_iter(&certificate.cert).unwrap().map(Result::unwrap).collect();
    (chain, PrivateKeyDer::from_pem_file(&certificate.key).unwrap())
}

pub(crate) fn server_config() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}

/// VeNCrypt X509None up to ServerInit, inside this TLS.
fn vencrypt(config: ServerConfig) -> Vec<Act> {
    let init = [&[2, 128, 1, 224, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0][..], &[0; 7], b""].concat();
    vec![
        say(V38),
        Act::Hear(12),
        say(b"\x01\x13"),
        Act::Hear(1),
        say(b"\0\x02"),
        Act::Hear(2),
        say(b"\0\x01\0\0\x01\x04"),
        Act::Hear(4),
        say(b"\x01"),
        Act::Secure(Arc::new(config)),
        say(b"\0\0\0\0"),
        Act::Hear(1),
        say(&init),
        Act::Hang,
    ]
}

/// The outcome of a console on such a machine whose CA is this file: the reason, or `None` if its
/// screen opens.
async fn opens(server: &TestServer, acts: Vec<Act>, ca: &std::path::Path) -> Result<(), String> {
    let machine = Scenario::start(acts).await;
    let ca = fs::read_to_string(ca).unwrap();
    let body = json!({ "endpoint": machine.endpoint(), "ca": ca });
    let id = server.api().add_instance("alpha", body).await;
    let mut viewer = server.viewer().token(&server.console(&id).await.token).open().await.unwrap();
    match viewer.greet().await {
        Ok(_) => Ok(()),
        Err(_) => Err(text(&server.api().newest_session().await, "end_reason")),
    }
}

#[tokio::test]
async fn a_configured_certificate_is_trusted_for_its_names() {
    let server = TestServer::start().await;
    let authority = Authority::new();
    let serves = |certificate: &Certificate| {
        let (chain, key) = shown(certificate);
        vencrypt(server_config().with_no_client_auth().with_single_cert(chain, key).unwrap())
    };
    let own = authority.self_signed("own", &["localhost", "127.0.0.1"]);
    let foreign = authority.self_signed("foreign", &["localhost", "127.0.0.1"]);
    let elsewhere = authority.self_signed("elsewhere", &["rack.example"]);
    let issued = authority.issue("issued");
    assert_eq!(opens(&server, serves(&own), &own.cert).await, Ok(()));
    assert_eq!(opens(&server, serves(&issued), &issued.cert).await, Ok(()), "one that an authority signed");
    assert_eq!(opens(&server, serves(&issued), authority.ca()).await, Ok(()), "what chains to it, as ever");
    let failed = Err(EndReason::InstanceTlsFailed.code().to_owned());
    assert_eq!(opens(&server, serves(&foreign), &own.cert).await, failed, "another of the same kind");
    assert_eq!(opens(&server, serves(&elsewhere), &elsewhere.cert).await, failed, "for other names");
}

#[tokio::test]
async fn a_client_certificate_that_is_refused_after_the_handshake_is_a_failure_of_tls() {
    let server = TestServer::start().await;
    let authority = Authority::new();
    let issued = authority.issue("issued");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.ca()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let (chain, key) = shown(&issued);
    let config = server_config().with_client_cert_verifier(clients).with_single_cert(chain, key).unwrap();
    let end = opens(&server, vencrypt(config), authority.ca()).await;
    assert_eq!(end, Err(EndReason::InstanceTlsFailed.code().to_owned()));
    let kept = kept(&server).await;
    assert!(kept.contains("ertificate"), "{kept}");
}
