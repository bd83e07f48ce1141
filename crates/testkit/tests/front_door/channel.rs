//! The page's own channel: beats, waiting and goodbyes, and the effect of closing a console on its
//! session.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use transom_model::EndReason;
use transom_testkit::wait::{until, within};
use transom_testkit::{FaultProxy, Guest, Opening, Script, Step, TestServer, Viewer, clock};

use crate::stage::{Stage, assert_live, closing, exchanged, key};

/// A page with an open console, the instance's side of it, and the page's ticket.
async fn page(stage: &Stage) -> (Viewer, Guest, String) {
    let ticket = stage.ticket().await;
    let viewer = stage.server.viewer().page(&ticket).view().await;
    (viewer, stage.machine.guest().await, ticket)
}

/// Asserts that the page returns to the same session with its ticket.
async fn assert_returns(stage: &Stage, ticket: &str) {
    let before = stage.server.api().newest_session().await["id"].clone();
    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let mut viewer = stage.server.viewer().page(&fresh).view().await;
    assert_live(&mut viewer, &mut stage.machine.guest().await).await;
    assert_eq!(stage.server.api().newest_session().await["id"], before);
}

/// Waits until the newest session is in this state.
async fn until_session_is(stage: &Stage, state: &str) {
    within(&format!("a session that is {state}"), async {
        while stage.server.api().newest_session().await["state"] != state {}
    })
    .await;
}

fn close(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: "".into() }))
}

#[tokio::test]
async fn a_page_receives_a_beat_every_ten_seconds_and_its_echo_keeps_the_line() {
    let stage = Stage::set().await;
    for rights in [json!({}), json!({ "view_only": true })] {
        let token = stage.server.console_with(&stage.id, rights).await.token;
        let ticket = exchanged(&stage.server, json!({ "token": token })).await;
        let mut viewer = stage.server.viewer().page(&ticket).view().await;
        let guest = stage.machine.guest().await;
        for _ in 0..9 {
            clock::pass(Duration::from_secs(10)).await;
            assert_eq!(viewer.told("beat").await.unwrap(), json!({ "type": "beat" }));
            // The server has heard the echo by the time of the next answer.
            stage.server.api().get("/healthz").await;
        }
        guest.send(b"pixels");
        assert_eq!(viewer.take(6).await.unwrap(), b"pixels");
    }
}

#[tokio::test]
async fn only_pages_see_the_channel() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest, _) = stage.page().await;
    clock::pass(Duration::from_secs(11)).await;
    viewer.pinged().await.unwrap();
    assert_live(&mut viewer, &mut guest).await;
    assert!(viewer.untold(), "a viewer without the channel was told something");
    viewer.send_message(Message::text("{\"type\":\"beat\"}")).await.unwrap();
    assert_eq!(viewer.closed().await.code, Some(4442));
}

#[tokio::test]
async fn a_page_that_closes_its_line_for_any_cause_can_return() {
    let stage = Stage::set().await;
    let with_channel = |opening: Opening, ticket: &str| opening.page(ticket);
    let without = |opening: Opening, ticket: &str| opening.ticket(ticket);
    for open in [with_channel as fn(Opening, &str) -> Opening, without] {
        for goodbye in [Message::Close(None), close(1000), close(1001), close(3000), close(4000)] {
            let ticket = stage.ticket().await;
            let mut viewer = open(stage.server.viewer(), &ticket).view().await;
            let mut guest = stage.machine.guest().await;
            viewer.send_message(goodbye).await.unwrap();
            guest.ended().await;
            until_session_is(&stage, "detached").await;
            assert_returns(&stage, &ticket).await;
        }
    }
}

#[tokio::test]
async fn a_viewer_without_a_ticket_ends_its_session_by_closing() {
    let stage = Stage::set().await;
    let opening = |token: &str| stage.server.viewer().token(token);
    let page = http::header::SEC_WEBSOCKET_PROTOCOL;
    for listed in ["binary", "transom.page.1, binary"] {
        let token = stage.token().await;
        let mut viewer = opening(&token).header(page.clone(), listed).view().await;
        let mut guest = stage.machine.guest().await;
        viewer.send_message(close(1000)).await.unwrap();
        guest.ended().await;
        assert_eq!(stage.end_reason().await, "viewer-closed", "{listed}");
    }
}

#[tokio::test]
async fn leaving_ends_the_session_permanently() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest, ticket) = page(&stage).await;
    viewer.say(json!({ "type": "leave" })).await.unwrap();
    assert_eq!(viewer.closed().await.code, Some(1000));
    guest.ended().await;
    assert_eq!(stage.end_reason().await, "viewer-closed");
    let answer = stage.server.api().exchange(json!({ "ticket": ticket })).await;
    assert_eq!(answer.to_string(), "400 viewer-closed: The console was closed.");
}

#[tokio::test]
async fn a_page_without_a_line_leaves_with_its_ticket() {
    let stage = Stage::set().await;
    let leave = |ticket: &str| stage.server.api().exchange(json!({ "ticket": ticket, "leave": true }));

    // The page disconnected before.
    let (viewer, mut guest, ticket) = page(&stage).await;
    drop(viewer);
    guest.ended().await;
    until_session_is(&stage, "detached").await;
    assert_eq!(leave(&ticket).await.status, 204);
    assert_eq!(stage.end_reason().await, "viewer-closed");
    assert_eq!(leave(&ticket).await.to_string(), "400 viewer-closed: The console was closed.");

    // Another page has taken over the session.
    let (mut viewer, mut guest, ticket) = page(&stage).await;
    assert_eq!(leave(&ticket).await.status, 204);
    assert_eq!(viewer.closed().await.code, Some(1000));
    guest.ended().await;
    assert_eq!(stage.end_reason().await, "viewer-closed");

    // The page never had a line: the link opens again.
    let token = stage.token().await;
    let ticket = exchanged(&stage.server, json!({ "token": token })).await;
    assert_eq!(leave(&ticket).await.status, 204);
    stage.server.viewer().page(&exchanged(&stage.server, json!({ "token": token })).await).view().await;

    for question in [json!({ "leave": true }), json!({ "token": token, "leave": true })] {
        assert_eq!(stage.server.api().exchange(question).await.status, 400);
    }
}

#[tokio::test]
async fn messages_of_a_page_are_limited_in_form_length_and_number() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest, _) = page(&stage).await;
    for unknown in
        [json!({ "type": "quality", "value": 3 }), json!({ "type": "beat", "x": "y".repeat(4000) })]
    {
        viewer.say(unknown).await.unwrap();
    }
    assert_live(&mut viewer, &mut guest).await;

    let beat = || Message::text("{\"type\":\"beat\"}");
    for (messages, detail) in [
        (vec![Message::text("hello")], "a message on the page's channel is not a JSON object with a type"),
        (vec![Message::text("{}")], "a message on the page's channel is not a JSON object with a type"),
        (vec![Message::text("x".repeat(4097))], "a text message is longer than 4096 bytes"),
        (vec![beat(); 21], "text messages come too fast"),
    ] {
        let (mut viewer, _guest, _) = page(&stage).await;
        for message in messages {
            // The connection may end before all of it is sent.
            let _ = viewer.send_message(message).await;
        }
        assert_eq!(viewer.closed().await.to_string(), closing(EndReason::ViewerProtocolError, detail));
    }
}

#[tokio::test]
async fn a_silently_dropped_line_is_noticed_within_thirty_seconds_without_input() {
    let stage = Stage::set().await;
    let network = FaultProxy::start(stage.server.address()).await;
    let token = stage.server.console_with(&stage.id, json!({ "view_only": true })).await.token;
    let ticket = exchanged(&stage.server, json!({ "token": token })).await;
    let mut viewer = stage.server.viewer().via(network.address()).page(&ticket).view().await;
    let mut guest = stage.machine.guest().await;
    guest.send(b"pixels");
    viewer.take(6).await.unwrap();
    network.stall();
    clock::pass(Duration::from_secs(27)).await;
    stage.server.api().get("/healthz").await;
    assert_eq!(stage.server.api().newest_session().await["state"], "live");
    clock::pass(Duration::from_secs(2)).await;
    guest.ended().await;
    until_session_is(&stage, "detached").await;
    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    stage.server.viewer().page(&fresh).view().await;
}

#[tokio::test]
async fn a_line_that_still_delivers_bytes_is_never_given_up() {
    let stage = Stage::set().await;
    let (mut viewer, guest, _) = page(&stage).await;
    guest.flood(256 * 1024 * 1024);
    guest.stalled().await;
    // The picture takes five minutes. The page sends nothing unasked and reads some of it from time
    // to time.
    for _ in 0..15 {
        clock::pass(Duration::from_secs(20)).await;
        let held = guest.flooded();
        while guest.flooded() == held {
            viewer.take(256 * 1024).await.unwrap();
        }
    }
    assert_eq!(stage.server.api().newest_session().await["state"], "live");
}

#[tokio::test]
async fn a_page_that_beats_but_reads_nothing_is_too_slow() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest, ticket) = page(&stage).await;
    guest.flood(256 * 1024 * 1024);
    guest.stalled().await;
    for _ in 0..5 {
        clock::pass(Duration::from_secs(20)).await;
        // The connection may have ended.
        let _ = viewer.say(json!({ "type": "beat" })).await;
        stage.server.api().get("/healthz").await;
    }
    // The page was heard a moment ago, so silence is not the cause.
    assert!(timeout(Duration::from_secs(10), guest.ended()).await.is_ok(), "it is not given up");
    until_session_is(&stage, "detached").await;
    // Whatever delayed it, the page may return.
    assert_returns(&stage, &ticket).await;
}

#[tokio::test]
async fn the_first_frames_are_short_and_longer_ones_follow_on_a_fast_line() {
    let stage = Stage::set().await;
    let (mut viewer, guest, _) = page(&stage).await;
    guest.flood(16 * 1024 * 1024);
    viewer.take(16 * 1024 * 1024).await.unwrap();
    let frames = viewer.frames();
    let first = frames.iter().position(|len| *len > 1024).expect("a long frame");
    assert!(frames[first] <= 16 * 1024, "{:?}", &frames[first..first + 8]);
    assert!(frames.iter().any(|len| *len >= 64 * 1024), "{frames:?}");
    assert!(frames.iter().all(|len| *len <= 128 * 1024), "{frames:?}");
    let mut longest = 8 * 1024;
    for len in &frames[first..] {
        assert!(*len <= 2 * longest, "{frames:?}");
        longest = longest.max(*len);
    }
}

#[tokio::test]
async fn a_page_is_told_that_the_machine_waits_for_a_person_and_then_shows_its_screen() {
    for step in [Step::Security, Step::Authentication, Step::Init] {
        let stage = Stage::with(Script::default().holds(step)).await;
        let ticket = stage.ticket().await;
        let mut viewer = stage.server.viewer().page(&ticket).open().await.unwrap();
        stage.machine.held().await;
        clock::pass(Duration::from_secs(2)).await;
        assert_eq!(viewer.told("waiting").await.unwrap(), json!({ "type": "waiting", "for": "acceptance" }));
        for _ in 0..5 {
            clock::pass(Duration::from_secs(10)).await;
            viewer.told("beat").await.unwrap();
        }
        stage.machine.release();
        viewer.greet().await.unwrap();
        assert_live(&mut viewer, &mut stage.machine.guest().await).await;
    }
}

/// Viewers that are not told wait just as long.
#[tokio::test]
async fn every_viewer_waits_for_a_person_at_the_machine_as_long_as_configured() {
    let accept = |seconds| {
        TestServer::setup().config(move |config| config.console.accept_wait.0 = Duration::from_secs(seconds))
    };
    for seconds in [60, 90] {
        for (kind, raw, in_time) in
            [("noVNC", false, true), ("raw", true, true), ("noVNC", false, false), ("raw", true, false)]
        {
            let stage =
                Stage::on(accept(seconds).start().await, Script::default().holds(Step::Security)).await;
            let token = stage.token().await;
            let mut viewer = match raw {
                true => {
                    stage.server.viewer().path(&format!("/console?token={token}")).connect().await.unwrap()
                }
                false => stage.server.viewer().token(&token).open().await.unwrap(),
            };
            stage.machine.held().await;
            clock::pass(Duration::from_secs(seconds - 2)).await;
            stage.server.api().get("/healthz").await;
            if in_time {
                stage.machine.release();
                viewer.greet().await.unwrap();
                assert_live(&mut viewer, &mut stage.machine.guest().await).await;
                continue;
            }
            clock::pass(Duration::from_secs(3)).await;
            match raw {
                true => {
                    assert!(viewer.refusal().await.unwrap().contains("sends nothing"), "{kind} {seconds}")
                }
                false => assert_eq!(viewer.closed().await.code, Some(4425), "{kind} {seconds}"),
            }
        }
    }
}

#[tokio::test]
async fn a_port_that_never_greets_is_given_up_sooner() {
    let stage = Stage::with(Script::default().holds(Step::Greeting)).await;
    let mut viewer = stage.server.viewer().page(&stage.ticket().await).open().await.unwrap();
    stage.machine.held().await;
    clock::pass(Duration::from_secs(2)).await;
    assert_eq!(viewer.told("waiting").await.unwrap(), json!({ "type": "waiting", "for": "connection" }));
    clock::pass(Duration::from_secs(9)).await;
    assert_eq!(viewer.closed().await.code, Some(4425));
}

#[tokio::test]
async fn a_page_can_reload_or_leave_while_the_machine_waits_for_a_person() {
    let stage = Stage::with(Script::default().holds(Step::Security)).await;
    let token = stage.token().await;
    let ticket = exchanged(&stage.server, json!({ "token": token })).await;
    let mut viewer = stage.server.viewer().page(&ticket).open().await.unwrap();
    stage.machine.held().await;
    viewer.send_message(close(1001)).await.unwrap();
    until("its dial is given up", || stage.server.app().live.count() == 0).await;
    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let mut viewer = stage.server.viewer().page(&fresh).open().await.unwrap();
    stage.machine.held().await;
    viewer.say(json!({ "type": "leave" })).await.unwrap();
    assert_eq!(viewer.closed().await.code, Some(1000));
    // The screen never appeared, so the link still has its use.
    exchanged(&stage.server, json!({ "token": token })).await;
}

#[tokio::test]
async fn an_early_message_of_a_page_is_not_lost() {
    let stage = Stage::with(Script::default().holds(Step::Security)).await;
    let mut viewer = stage.server.viewer().page(&stage.ticket().await).open().await.unwrap();
    stage.machine.held().await;
    viewer.send(b"RFB 003.008\n").await.unwrap();
    viewer.send(&[&b"\x01\x01"[..], &key(b'a')].concat()).await.unwrap();
    // The beat's echo follows it.
    clock::pass(Duration::from_secs(10)).await;
    viewer.told("beat").await.unwrap();
    stage.machine.release();
    assert_eq!(stage.machine.guest().await.take(8).await, key(b'a'));
}

#[tokio::test]
async fn a_page_is_told_five_minutes_before_its_session_ends() {
    let server =
        TestServer::setup().config(|config| config.console.max_session.0 = Some(Duration::from_secs(400)));
    let stage = Stage::on(server.start().await, Script::default()).await;
    let (mut viewer, mut guest, _) = page(&stage).await;
    assert_live(&mut viewer, &mut guest).await;
    for _ in 0..10 {
        clock::pass(Duration::from_secs(10)).await;
        viewer.told("beat").await.unwrap();
    }
    let notice = viewer.told("notice").await.unwrap();
    let Value::Number(seconds) = &notice["seconds"] else { panic!("{notice}") };
    assert_eq!(notice["what"], "ending");
    assert!((290..=300).contains(&seconds.as_u64().unwrap()), "{notice}");
}

#[tokio::test]
async fn a_page_is_told_that_the_node_restarts() {
    let stage = Stage::set().await;
    let (mut viewer, _guest, _) = page(&stage).await;
    let told = async {
        let notice = viewer.told("notice").await.unwrap();
        assert_eq!(notice, json!({ "type": "notice", "what": "restart" }));
        assert_eq!(viewer.closed().await.code, Some(4415));
    };
    tokio::join!(stage.server.stop(), told);
}

/// A complete clipboard message with a text of this length (RFC 6143 §7.5.6).
fn cut_text(len: usize) -> Vec<u8> {
    let mut message = [&b"\x06\0\0\0"[..], &(len as u32).to_be_bytes()].concat();
    message.resize(8 + len, b'x');
    message
}

#[tokio::test]
async fn a_clipboard_text_over_the_limit_is_skipped_and_the_session_continues() {
    let stage = Stage::set().await;
    for rights in [json!({}), json!({ "view_only": true })] {
        let token = stage.server.console_with(&stage.id, rights.clone()).await.token;
        let mut viewer = stage.server.viewer().token(&token).view().await;
        let mut guest = stage.machine.guest().await;
        viewer.send(&cut_text(17 * 1024 * 1024)).await.unwrap();
        let request = b"\x03\0\0\0\0\0\x02\x80\x01\xe0";
        viewer.send(request).await.unwrap();
        assert_eq!(guest.take(10).await, request, "{rights}");
        guest.send(b"pixels");
        assert_eq!(viewer.take(6).await.unwrap(), b"pixels");
    }
}

#[tokio::test]
async fn a_page_is_told_whether_its_clipboard_text_was_delivered() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest, _) = page(&stage).await;
    let provide = b"\x06\0\0\0\xff\xff\xff\xfa\x10\0\0\x01zz";
    let notify = b"\x06\0\0\0\xff\xff\xff\xfc\x08\0\0\x01";
    for (message, state) in [
        (cut_text(5), "written"),
        (cut_text(16 * 1024 * 1024), "written"),
        (cut_text(16 * 1024 * 1024 + 1), "skipped"),
        (notify.to_vec(), "offered"),
        (provide.to_vec(), "provided"),
    ] {
        viewer.send(&message).await.unwrap();
        let told = viewer.told("clipboard").await.unwrap();
        assert_eq!(told, json!({ "type": "clipboard", "state": state }), "{} bytes", message.len());
        if state != "skipped" {
            assert_eq!(guest.take(message.len()).await, message);
        }
    }
    assert_live(&mut viewer, &mut guest).await;
}
