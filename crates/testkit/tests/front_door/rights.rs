//! Rights: the messages of a viewer that reach the instance.

use serde_json::json;
use transom_testkit::{Guest, Viewer};

use crate::stage::{Stage, key};

const POINTER: &[u8] = b"\x05\x01\0\x10\0\x20";
const CLIPBOARD: &[u8] = b"\x06\0\0\0\0\0\0\x05hello";
const QEMU_KEY: &[u8] = b"\xff\0\0\x01\0\0\0\x61\0\0\0\x1e";
const REBOOT: &[u8] = b"\xfa\0\x01\x02";
const RESIZE: &[u8] = b"\xfb\0\x04\0\x03\0\x01\0\0\0\0\x01\0\0\0\0\x04\0\x03\0\0\0\0\0";
const REQUEST: &[u8] = b"\x03\x01\0\0\0\0\0\x10\0\x10";
const FENCE: &[u8] = b"\xf8\0\0\0\x80\0\0\x01\x03abc";
const CONTINUOUS_UPDATES: &[u8] = b"\x96\x01\0\0\0\0\0\x10\0\x10";
const QEMU_AUDIO: &[u8] = b"\xff\x01\0\x02\x03\x02\0\0\xac\x44";
const FORMAT: &[u8] = b"\0\0\0\0\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0";

async fn session(rights: serde_json::Value) -> (Stage, Viewer, Guest) {
    let stage = Stage::set().await;
    let token = stage.server.console_with(&stage.id, rights).await.token;
    let viewer = stage.server.viewer().token(&token).view().await;
    let guest = stage.machine.guest().await;
    (stage, viewer, guest)
}

#[tokio::test]
async fn every_known_message_passes_unchanged() {
    let (_stage, mut viewer, mut guest) = session(json!({})).await;
    let messages =
        [FORMAT, &key(b'a'), POINTER, CLIPBOARD, QEMU_KEY, REBOOT, RESIZE, REQUEST, FENCE].concat();
    viewer.send(&messages).await.unwrap();
    assert_eq!(guest.take(messages.len()).await, messages);
    for byte in &messages {
        viewer.send(&[*byte]).await.unwrap();
    }
    assert_eq!(guest.take(messages.len()).await, messages);
}

#[tokio::test]
async fn view_only_drops_every_message_that_changes_the_machine() {
    let (_stage, mut viewer, mut guest) = session(json!({ "view_only": true })).await;
    let dropped =
        [&key(b'a')[..], POINTER, CLIPBOARD, QEMU_KEY, REBOOT, RESIZE, FENCE, CONTINUOUS_UPDATES, QEMU_AUDIO];
    for message in dropped {
        viewer.send(message).await.unwrap();
    }
    let passing = [FORMAT, REQUEST].concat();
    viewer.send(&[dropped.concat(), passing.clone(), dropped.concat()].concat()).await.unwrap();
    viewer.send(REQUEST).await.unwrap();
    assert_eq!(guest.take(passing.len() + REQUEST.len()).await, [&passing[..], REQUEST].concat());
}

/// A payload that an instance without the extension would take for a key press.
#[tokio::test]
async fn a_view_only_viewer_cannot_smuggle_input_to_an_instance_without_fence() {
    let (_stage, mut viewer, mut guest) = session(json!({ "view_only": true })).await;
    let smuggled = [&b"\xf8\0\0\0\0\0\0\x01\x08"[..], &key(b'A')].concat();
    guest.send(b"\0\0\0\x01\0\0\0\0\0\x01\0\x01\0\0\0\0\xf8\x96\x96\x96");
    viewer.take(20).await.unwrap();
    viewer.send(&[&smuggled, CONTINUOUS_UPDATES, REQUEST].concat()).await.unwrap();
    assert_eq!(guest.take(10).await, REQUEST);
}

#[tokio::test]
async fn a_view_only_viewer_answers_an_instance_that_announced_its_extensions() {
    let (_stage, mut viewer, mut guest) = session(json!({ "view_only": true })).await;
    let asked = b"\x02\0\0\x03\0\0\0\x07\xff\xff\xfe\xc8\xff\xff\xfe\xc7";
    viewer.send(asked).await.unwrap();
    assert_eq!(guest.take(asked.len()).await, asked);
    let told = b"\x02\xf8\0\0\0\x80\0\0\x01\x03abc\x96";
    guest.send(told);
    assert_eq!(viewer.take(told.len()).await.unwrap(), told);
    let answers = [FENCE, CONTINUOUS_UPDATES].concat();
    viewer.send(&[&answers, QEMU_AUDIO, &key(b'a'), REQUEST].concat()).await.unwrap();
    assert_eq!(guest.take(answers.len() + 10).await, [&answers, REQUEST].concat());
}

#[tokio::test]
async fn a_message_hidden_at_the_end_of_another_is_found() {
    let (_stage, mut viewer, mut guest) = session(json!({ "view_only": true })).await;
    // A key press that is split over frames, and one directly after a long clipboard text.
    viewer.send(&key(b'a')[..5]).await.unwrap();
    viewer.send(&[&key(b'a')[5..], REQUEST].concat()).await.unwrap();
    let clipboard = [&b"\x06\0\0\0\0\x01\0\0"[..], &[b'x'; 65536]].concat();
    viewer.send(&[&clipboard[..], &key(b'b'), REQUEST].concat()).await.unwrap();
    assert_eq!(guest.take(20).await, [REQUEST, REQUEST].concat());
}

#[tokio::test]
async fn encodings_with_unparsable_messages_are_removed() {
    let (_stage, mut viewer, mut guest) = session(json!({})).await;
    // Raw and Tight remain. Encoding -311 would lead the viewer around the gateway.
    let asked = b"\x02\0\0\x03\0\0\0\0\xff\xff\xfe\xc9\0\0\0\x07";
    viewer.send(asked).await.unwrap();
    let passed = guest.take(4).await;
    let count = usize::from(passed[3]);
    let encodings = guest.take(4 * count).await;
    assert_eq!((count, &encodings[..]), (2, &b"\0\0\0\0\0\0\0\x07"[..]));
}
