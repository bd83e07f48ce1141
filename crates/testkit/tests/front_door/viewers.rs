//! Viewers that violate a protocol after their console has opened.

use tokio_tungstenite::tungstenite::Message;
use transom_model::EndReason;
use transom_testkit::wait::until;
use transom_testkit::{Script, Step, Viewer};

use crate::stage::{Stage, assert_live, closing, key};

/// A frame with any first byte, masked with zeros so that its payload is readable.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => frame.push(0x80 | length as u8),
        Ok(length) => frame.extend([&[0x80 | 126][..], &length.to_be_bytes()].concat()),
        Err(_) => frame.extend([&[0x80 | 127][..], &(payload.len() as u64).to_be_bytes()].concat()),
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

async fn end_after(bytes: &[u8]) -> String {
    let stage = Stage::set().await;
    let (mut viewer, _guest) = stage.session().await;
    viewer.send_below(bytes).await.unwrap();
    viewer.closed().await.to_string()
}

#[tokio::test]
async fn every_violation_of_the_websocket_protocol_is_reported() {
    let mad_length = [&[0x82, 0xFF][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    for (bytes, detail) in [
        (frame(0x81, b"text"), "a frame holds text"),
        (vec![0x82, 0x01, 0x00], "a frame is not masked"),
        (frame(0xC2, b"x"), "a frame has reserved bits set"),
        (frame(0x92, b"x"), "a frame has reserved bits set"),
        (frame(0x83, b"x"), "a frame has the unknown opcode 3"),
        (frame(0x8F, b"x"), "a frame has the unknown opcode 15"),
        (mad_length, "a frame announces 18446744073709551615 bytes"),
        (frame(0x80, b"x"), "fragments do not follow each other"),
        ([frame(0x02, b"\x04"), frame(0x82, b"x")].concat(), "fragments do not follow each other"),
        (frame(0x09, b"x"), "a control frame is fragmented or too long"),
        (frame(0x89, &[0; 126]), "a control frame is fragmented or too long"),
        (frame(0x88, &[0; 126]), "a control frame is fragmented or too long"),
    ] {
        assert_eq!(end_after(&bytes).await, closing(EndReason::ViewerWebsocketError, detail));
    }
}

#[tokio::test]
async fn text_from_a_library_is_refused_like_any_other() {
    let stage = Stage::set().await;
    let (mut viewer, _guest) = stage.session().await;
    viewer.send_message(Message::text("hello")).await.unwrap();
    assert_eq!(
        viewer.closed().await.to_string(),
        closing(EndReason::ViewerWebsocketError, "a frame holds text")
    );
}

#[tokio::test]
async fn a_message_in_fragments_with_a_ping_between_arrives_whole() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    let message = key(b'z');
    let (head, tail) = message.split_at(3);
    for piece in [frame(0x02, head), frame(0x89, b"ping"), frame(0x00, b""), frame(0x80, tail)] {
        viewer.send_below(&piece).await.unwrap();
    }
    assert_eq!(guest.take(8).await, message);
    assert_live(&mut viewer, &mut guest).await;
}

#[tokio::test]
async fn a_frame_may_come_byte_by_byte() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    for byte in frame(0x82, &key(b'q')) {
        viewer.send_below(&[byte]).await.unwrap();
    }
    assert_eq!(guest.take(8).await, key(b'q'));
}

#[tokio::test]
async fn empty_and_large_frames_pass() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    let keys = key(b'k').repeat(20_000);
    viewer.send_below(&frame(0x82, b"")).await.unwrap();
    viewer.send_below(&frame(0x82, &keys)).await.unwrap();
    assert_eq!(guest.take(keys.len()).await, keys);
}

#[tokio::test]
async fn a_closing_viewer_is_answered_and_the_instance_disconnected() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    viewer.send_message(Message::Close(None)).await.unwrap();
    assert_eq!(viewer.closed().await.code, Some(1000));
    guest.ended().await;
}

#[tokio::test]
async fn a_close_frame_directly_after_data_is_not_overlooked() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    viewer
        .send_below(&[frame(0x82, &key(b'x')), frame(0x88, &1000_u16.to_be_bytes())].concat())
        .await
        .unwrap();
    assert_eq!(guest.take(8).await, key(b'x'));
    assert_eq!(viewer.closed().await.code, Some(1000));
    guest.ended().await;
}

#[tokio::test]
async fn an_unknown_message_is_reported_and_does_not_reach_the_instance() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    viewer.send(&key(b'a')).await.unwrap();
    assert_eq!(guest.take(8).await, key(b'a'));
    viewer.send(&[77, 1, 2, 3]).await.unwrap();
    assert_eq!(
        viewer.closed().await.to_string(),
        closing(EndReason::ViewerUnknownMessage, "sent a message of the unknown type 77")
    );
    assert_eq!(guest.ended().await, b"");
}

#[tokio::test]
async fn oversized_messages_are_skipped_completely() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest) = stage.session().await;
    for (head, rest) in [
        (&b"\x02\0\x04\x01"[..], 4 * 1025),
        (b"\x06\0\0\0\x01\0\0\x01", (16 << 20) + 1),
        // The negated length of Extended Clipboard.
        (b"\x06\0\0\0\xff\x5f\xff\xff", (10 << 20) + 1),
        (b"\xf8\0\0\0\0\0\0\0\xff", 255),
    ] {
        viewer.send(head).await.unwrap();
        // A rest that was taken for a message would be of an unknown type.
        viewer.send(&vec![0x63; rest]).await.unwrap();
        assert_live(&mut viewer, &mut guest).await;
    }
}

#[tokio::test]
async fn garbage_ends_its_own_session_and_no_other() {
    let stage = Stage::set().await;
    let (mut other, mut other_guest) = stage.session().await;
    for seed in 1..20_u8 {
        let (mut viewer, _guest) = stage.session().await;
        // Ends the session, because no message starts with this byte.
        let garbage: Vec<u8> = (0..500_u32).map(|n| (n * u32::from(seed) * 31 % 256) as u8 | 0xA0).collect();
        viewer.send(&garbage).await.unwrap();
        let closed = viewer.closed().await;
        assert!(matches!(closed.code, Some(4443 | 4444)), "{closed}");
    }
    assert_live(&mut other, &mut other_guest).await;
}

#[tokio::test]
async fn a_raw_viewer_that_reads_a_dial_failure_occupies_no_slot() {
    let stage = Stage::with(Script::default().closes_before(Step::Security)).await;
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    assert_eq!(viewer.take(12).await.unwrap(), b"RFB 003.008\n", "it is told why once it has answered");
    until("its place is free", || stage.server.app().live.count() == 0).await;
    viewer.send(b"RFB 003.008\n").await.unwrap();
    assert_eq!(viewer.take(5).await.unwrap()[..4], [0, 0, 0, 0], "no security types, but a reason");
}

#[tokio::test]
async fn qemu_messages_of_unknown_length_are_unknown_messages() {
    for (message, detail) in [
        (&b"\xff\x02"[..], "sent a QEMU message (255) of the unknown sub-type 2"),
        (b"\xff\x01\0\x03", "sent a QEMU audio message (255) with the unknown operation 3"),
    ] {
        let stage = Stage::set().await;
        let (mut viewer, _guest) = stage.session().await;
        viewer.send(message).await.unwrap();
        assert_eq!(viewer.closed().await.to_string(), closing(EndReason::ViewerUnknownMessage, detail));
    }
}

#[tokio::test]
async fn a_raw_viewers_unknown_message_ends_its_session_too() {
    let stage = Stage::set().await;
    let path = format!("/console?token={}", stage.token().await);
    let mut viewer: Viewer = stage.server.viewer().path(&path).connect().await.unwrap();
    viewer.greet().await.unwrap();
    let mut guest = stage.machine.guest().await;
    viewer.send(&[200]).await.unwrap();
    assert_eq!(viewer.closed().await.code, None);
    assert_eq!(guest.ended().await, b"");
    assert_eq!(stage.end_reason().await, "viewer-unknown-message");
}
