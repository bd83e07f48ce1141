//! The viewer's handshake: in every version, over WebSocket and behind a CONNECT, and with errors.

use std::time::Duration;

use transom_model::EndReason;
use transom_rfb::Version;
use transom_testkit::wait::until;
use transom_testkit::{Instance, Script, Step, clock};

use crate::stage::{Stage, assert_live, closing};

#[tokio::test]
async fn a_viewer_may_use_a_different_version_than_the_instance() {
    let stage = Stage::with(Script::default().version(Version::V3_3)).await;
    for version in [Version::V3_3, Version::V3_7, Version::V3_8] {
        let token = stage.reusable().await;
        let mut page = stage.server.viewer().token(&token).open().await.unwrap();
        page.greet_in(version).await.unwrap();
        assert_live(&mut page, &mut stage.machine.guest().await).await;

        let mut raw = stage.server.viewer().path(&format!("/console?token={token}")).connect().await.unwrap();
        raw.greet_in(version).await.unwrap();
        assert_live(&mut raw, &mut stage.machine.guest().await).await;
    }
}

#[tokio::test]
async fn a_viewers_handshake_may_arrive_byte_by_byte_or_with_later_messages() {
    let stage = Stage::set().await;
    let mut viewer = stage.server.viewer().token(&stage.token().await).open().await.unwrap();
    for byte in *b"RFB 003.008\n\x01\x01" {
        viewer.send(&[byte]).await.unwrap();
    }
    assert_eq!(viewer.take(12 + 2 + 4).await.unwrap(), b"RFB 003.008\n\x01\x01\0\0\0\0");
    assert_eq!(viewer.take(24 + 4).await.unwrap()[24..], *b"fake");

    let token = stage.token().await;
    let mut viewer = stage.server.viewer().token(&token).open().await.unwrap();
    viewer.send(b"RFB 003.008\n\x01\x01\x04\x01\0\0\0\0\0a").await.unwrap();
    stage.machine.guest().await;
    let mut guest = stage.machine.guest().await;
    assert_eq!(guest.take(8).await, b"\x04\x01\0\0\0\0\0a");
}

#[tokio::test]
async fn the_password_never_reaches_the_viewer() {
    let stage = Stage::on(transom_testkit::TestServer::start().await, Script::default()).await;
    let machine = Instance::start(Script::default().password("curtains")).await;
    let id = stage.server.add_with(&machine, serde_json::json!({ "password": "curtains" })).await;
    let token = stage.server.console(&id).await.token;
    let mut viewer = stage.server.viewer().token(&token).open().await.unwrap();
    // The viewer receives all of this: None is offered, and no challenge follows.
    viewer.send(b"RFB 003.008\n\x01\x01").await.unwrap();
    let sent = viewer.take(12 + 2 + 4 + 24 + 4).await.unwrap();
    assert_eq!(sent[..18], *b"RFB 003.008\n\x01\x01\0\0\0\0");
    assert_eq!(sent[42..], *b"fake");
    assert_eq!(viewer.unread(), b"");
}

#[tokio::test]
async fn a_raw_viewer_gets_the_reason_in_rfbs_own_form() {
    let stage = Stage::with(Script::default().closes_before(Step::Greeting)).await;
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    assert_eq!(
        viewer.refusal().await.unwrap(),
        "The machine closed the connection before the console opened."
    );
    assert_eq!(viewer.closed().await.to_string(), "the stream ended without a word");
}

#[tokio::test]
async fn a_connect_response_matches_the_specification_exactly() {
    let stage = Stage::set().await;
    let connect = |path: &str| stage.server.viewer().path(path).connect();
    for invalid in ["/console", "/console?token=", "/elsewhere?token=x", "example.com:443"] {
        assert_eq!(connect(invalid).await.err().unwrap(), "HTTP/1.1 400 Invalid Request", "{invalid}");
    }
    for unknown in ["/console?token=nobody-knows-it", "/vnc_auto.html?token=x&path=y"] {
        assert_eq!(connect(unknown).await.err().unwrap(), "HTTP/1.1 401 Not Authorized", "{unknown}");
    }
    let path = format!("/console?token={}", stage.token().await);
    connect(&path).await.unwrap();
    assert_eq!(connect(&path).await.err().unwrap(), "HTTP/1.1 401 Not Authorized");
}

#[tokio::test]
async fn a_viewer_that_does_not_speak_rfb_is_told_so() {
    let stage = Stage::set().await;
    for (said, detail) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "it does not speak RFB; it began with \"GET / HTTP/1.1\""),
        (b"RFB 002.000\n", "it speaks RFB 2.0; 3.3, 3.7 and 3.8 are supported"),
        (b"RFB 003.008\n\x02", "it chose the security type VNC authentication (2), which was not offered"),
    ] {
        let mut viewer = stage.server.viewer().token(&stage.token().await).open().await.unwrap();
        viewer.send(said).await.unwrap();
        assert_eq!(viewer.closed().await.to_string(), closing(EndReason::ViewerProtocolError, detail));
    }
}

/// The bytes of viewers that fall silent during the handshake.
const SILENT: [&[u8]; 4] = [b"", b"RFB 003", b"RFB 003.008\n", b"RFB 003.008\n\x01"];

/// Waits until the instance is reached and the gateway listens to the viewer. `before` sessions
/// came this far earlier.
async fn until_heard(stage: &Stage, before: usize) {
    let started = || stage.server.app().metrics.sessions_started.get();
    until("the viewer is listened to", || started() > before as u64).await;
}

#[tokio::test]
async fn a_viewer_that_is_silent_in_the_handshake_is_given_up() {
    let stage = Stage::set().await;
    for (before, said) in SILENT.into_iter().enumerate() {
        let mut viewer = stage.server.viewer().token(&stage.token().await).open().await.unwrap();
        viewer.take(12).await.unwrap();
        viewer.send(said).await.unwrap();
        let guest = stage.machine.guest().await;
        until_heard(&stage, before).await;
        clock::pass(Duration::from_secs(16)).await;
        assert_eq!(viewer.closed().await.to_string(), "4445 The viewer did not respond in time.");
        drop(guest);
    }
}

#[tokio::test]
async fn a_silent_raw_viewer_is_given_up_with_its_reason() {
    let stage = Stage::set().await;
    for (before, said) in SILENT.into_iter().enumerate() {
        let path = format!("/console?token={}", stage.token().await);
        let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
        viewer.take(12).await.unwrap();
        viewer.send(said).await.unwrap();
        let mut guest = stage.machine.guest().await;
        until_heard(&stage, before).await;
        clock::pass(Duration::from_secs(16)).await;
        assert_eq!(viewer.closed().await.to_string(), "the stream ended without a word");
        guest.ended().await;
        assert_eq!(stage.end_reason().await, "viewer-too-slow");
    }
}

#[tokio::test]
async fn a_raw_viewer_that_does_not_read_the_failure_is_released() {
    let stage = Stage::with(Script::default().closes_before(Step::Greeting)).await;
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    viewer.take(12).await.unwrap();
    until("it is about to be told why", || stage.server.app().live.count() == 0).await;
    clock::pass(Duration::from_secs(16)).await;
    assert_eq!(viewer.closed().await.to_string(), "the stream ended without a word");
    assert_eq!(stage.end_reason().await, "instance-closed-early");
}

#[tokio::test]
async fn a_viewer_that_leaves_during_the_handshake_frees_the_instance() {
    let stage = Stage::set().await;
    let mut viewer = stage.server.viewer().token(&stage.token().await).open().await.unwrap();
    viewer.take(12).await.unwrap();
    drop(viewer);
    let mut guest = stage.machine.guest().await;
    assert_eq!(guest.ended().await, b"");
}
