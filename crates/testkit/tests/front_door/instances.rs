//! Defective instances: each defect has its end reason.

use serde_json::json;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use transom_model::EndReason;
use transom_rfb::Version;
use transom_testkit::wait::until;
use transom_testkit::{Closed, Instance, Script, Step, TestServer, clock};

use crate::stage::{Stage, assert_live, kept, plain};

/// The end of a console on such an instance, for its viewer and in the audit.
async fn end_with(script: Script) -> (String, String) {
    let stage = Stage::with(script).await;
    (end_of(&stage).await.to_string(), kept(&stage.server).await)
}

async fn end_of(stage: &Stage) -> Closed {
    let token = stage.token().await;
    stage.server.viewer().token(&token).open().await.expect("upgraded before it is dialled").closed().await
}

#[tokio::test]
async fn every_version_and_both_ways_to_authenticate_work() {
    let server = TestServer::start().await;
    for version in [Version::V3_3, Version::V3_7, Version::V3_8] {
        for password in [None, Some("curtains")] {
            let script = Script::default().version(version);
            let script = match password {
                Some(password) => script.password(password),
                None => script,
            };
            let machine = Instance::start(script).await;
            let id = server.add_with(&machine, json!({ "password": password })).await;
            let token = server.console(&id).await.token;
            let mut viewer = server.viewer().token(&token).view().await;
            assert_live(&mut viewer, &mut machine.guest().await).await;
        }
    }
}

#[tokio::test]
async fn a_unix_socket_works_as_a_tcp_port_does() {
    let server = TestServer::start().await;
    let machine = Instance::start_unix(Script::default(), &server.folder().join("vnc.sock")).await;
    let id = server.add(&machine).await;
    let token = server.console(&id).await.token;
    let mut viewer = server.viewer().token(&token).view().await;
    assert_live(&mut viewer, &mut machine.guest().await).await;
}

#[tokio::test]
async fn a_stopped_instance_opens_no_console_and_spends_no_use() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let change = json!({ "status": "stopped" });
    stage.server.api().patch(&stage.server.instance_path(&stage.id), change).await.done();
    assert_eq!(
        crate::stage::refused(stage.server.viewer().token(&token)).await,
        "409 instance-not-running: The machine is not running. (it is stopped)"
    );
    let asked = stage.server.api().try_console("alpha", &stage.id, json!({})).await;
    assert_eq!(asked.to_string(), "409 instance-not-running: The machine is not running. (it is stopped)");
    let change = json!({ "status": "starting" });
    stage.server.api().patch(&stage.server.instance_path(&stage.id), change).await.done();
    stage.server.viewer().token(&token).view().await;
}

#[tokio::test]
async fn a_console_opens_while_a_machine_starts_or_is_built() {
    let stage = Stage::set().await;
    for status in ["starting", "rebooting", "building", "imaging"] {
        let change = json!({ "status": status });
        stage.server.api().patch(&stage.server.instance_path(&stage.id), change).await.done();
        stage.session().await;
    }
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_is_named() {
    let server = TestServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("vnc://{}", listener.local_addr().unwrap());
    drop(listener);
    let id = server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
    let token = server.console(&id).await.token;
    let end = server.viewer().token(&token).open().await.unwrap().closed().await;
    assert_eq!(end.to_string(), "4423 The machine refuses VNC connections.");
    assert_eq!(kept(&server).await, format!("{}: connection refused", endpoint.trim_start_matches("vnc://")));
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_named() {
    let server = TestServer::start().await;
    let id = server.api().add_instance("alpha", json!({ "endpoint": "vnc+unix:/nowhere/vnc.sock" })).await;
    let token = server.console(&id).await.token;
    let end = server.viewer().token(&token).open().await.unwrap().closed().await;
    assert_eq!(end.to_string(), plain(EndReason::InstanceUnreachable));
    assert_eq!(kept(&server).await, "there is no such socket");
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up() {
    let server = TestServer::start().await;
    // A listener with a full queue leaves the next connection without an answer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(connected.unwrap());
    }
    let id = server.api().add_instance("alpha", json!({ "endpoint": format!("vnc://{address}") })).await;
    let token = server.console(&id).await.token;
    let mut viewer = server.viewer().token(&token).open().await.unwrap();
    until("it is dialled", || server.app().live.count() == 1).await;
    server.api().get("/healthz").await;
    clock::pass(Duration::from_secs(11)).await;
    assert_eq!(viewer.closed().await.to_string(), plain(EndReason::InstanceUnreachable));
    assert_eq!(kept(&server).await, "no answer in time");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let server = TestServer::start().await;
    let id =
        server.api().add_instance("alpha", json!({ "endpoint": "vnc://no-such-machine.invalid:5900" })).await;
    let token = server.console(&id).await.token;
    let closed = server.viewer().token(&token).open().await.unwrap().closed().await.to_string();
    assert_eq!(closed, plain(EndReason::EndpointUnresolved));
    let kept = kept(&server).await;
    assert!(kept.starts_with("no-such-machine.invalid: "), "{kept}");
}

#[tokio::test]
async fn an_instance_that_falls_silent_is_given_up_and_the_step_is_named() {
    for (step, during) in [
        (Step::Greeting, None),
        (Step::Security, Some("security negotiation")),
        (Step::Authentication, Some("authentication")),
        (Step::Init, Some("screen announcement")),
    ] {
        let stage = Stage::with(Script::default().holds(step)).await;
        let token = stage.token().await;
        let mut viewer = stage.server.viewer().token(&token).open().await.unwrap();
        stage.machine.held().await;
        // After the greeting, a person at the machine may have to accept.
        let limit = if during.is_some() { 61 } else { 11 };
        clock::pass(Duration::from_secs(limit)).await;
        let end = "4425 The machine accepts the connection but sends nothing.";
        assert_eq!(viewer.closed().await.to_string(), end);
        let detail = during.map(|during| format!("it stopped responding during the {during}"));
        assert_eq!(kept(&stage.server).await, detail.unwrap_or_default());
    }
}

#[tokio::test]
async fn an_instance_that_closes_during_the_handshake_is_distinguished_from_a_silent_one() {
    for (step, during) in [
        (Step::Greeting, "version exchange"),
        (Step::Security, "security negotiation"),
        (Step::Authentication, "authentication"),
        (Step::Init, "screen announcement"),
    ] {
        let end = end_with(Script::default().closes_before(step)).await;
        let detail = format!("it closed the connection during the {during}");
        assert_eq!(end, (plain(EndReason::InstanceClosedEarly), detail));
    }
}

#[tokio::test]
async fn the_answer_of_another_server_is_quoted_to_the_operator_only() {
    for (greeting, quoted) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP/1.1 400 Bad Request"),
        (b"SSH-2.0-x\r\n", "SSH-2.0-x"),
    ] {
        let end = end_with(Script::default().greets(greeting)).await;
        let detail = format!("it does not speak RFB; it began with {quoted:?}");
        assert_eq!(end, (plain(EndReason::InstanceNotVnc), detail));
    }
}

#[tokio::test]
async fn missing_and_wrong_passwords_are_distinguished() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default().password("curtains")).await;
    for (password, end) in [
        (
            None,
            Some((EndReason::InstancePasswordMissing, "it requires a VNC password, but none is configured")),
        ),
        (
            Some("wrong"),
            Some((EndReason::InstancePasswordWrong, "it rejected the password: \"Authentication failed\"")),
        ),
        // VNC authentication uses eight characters (RFC 6143 §7.2.2).
        (Some("curtains-and-more"), None),
    ] {
        let id = server.add_with(&machine, json!({ "password": password })).await;
        let token = server.console(&id).await.token;
        let mut viewer = server.viewer().token(&token).open().await.unwrap();
        match end {
            Some((reason, detail)) => {
                assert_eq!(viewer.closed().await.to_string(), plain(reason));
                assert_eq!(kept(&server).await, detail);
            }
            None => assert_eq!(viewer.greet().await.unwrap().name, "fake"),
        }
    }
}

#[tokio::test]
async fn security_types_that_are_not_supported_are_named() {
    // Security types 6 (RA2) and 30 (Apple's).
    let end = end_with(Script::default().offers(&[6, 30])).await;
    let detail = "it offers only RA2ne (6), Apple Remote Desktop (30)";
    assert_eq!(end, (plain(EndReason::InstanceSecurityUnsupported), detail.to_owned()));
}

#[tokio::test]
async fn an_instances_own_refusal_is_shown_to_the_operator_only() {
    for version in [Version::V3_3, Version::V3_8] {
        let end = end_with(Script::default().version(version).refuses("Too many security failures")).await;
        let detail = "it refused the connection: \"Too many security failures\"";
        assert_eq!(end, (plain(EndReason::InstanceRefusedSession), detail.to_owned()));
    }
}

#[tokio::test]
async fn an_excessive_announcement_is_refused_before_memory_is_allocated() {
    for (script, detail) in [
        (Script::default().name_length(u32::MAX), "4294967295 bytes"),
        (Script::default().screen(65535, 65535), "65535×65535"),
        (Script::default().screen(0, 16385), "0×16385"),
    ] {
        let (end, kept) = end_with(script).await;
        assert_eq!(end, "4432 The VNC server does not follow the RFB protocol.");
        assert!(kept.starts_with("it announces") && kept.contains(detail), "{kept}");
    }
}

#[tokio::test]
async fn an_instance_that_goes_away_ends_its_session_with_everything_it_had_sent() {
    let stage = Stage::set().await;
    let (mut viewer, guest) = stage.session().await;
    guest.send(&[7; 100_000]);
    guest.finish();
    assert_eq!(viewer.take(100_000).await.unwrap(), [7; 100_000]);
    assert_eq!(viewer.closed().await.to_string(), "4433 The machine closed the connection.");
}
