//! The fuzz bodies on stable Rust: run on the corpus, on damaged copies of it, and on arbitrary
//! bytes.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use transom_rfb::fuzz::{client_messages, instance_handshake, viewer_handshake};
use transom_server::fuzz::{openstack_body, request_head, zenlayer_authorization};
use transom_tunnel::fuzz::tunnel_messages;
use transom_websocket::fuzz::websocket_frames;

/// The checked-in files of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).expect("the target has a corpus").map(|entry| {
        let path = entry.expect("the folder can be read").path();
        std::fs::read(path).expect("the file can be read")
    });
    let files: Vec<_> = files.collect();
    assert!(files.len() >= 5, "{} has hardly any files", folder.display());
    files
}

/// Up to three files, each truncated at some point, with up to three bytes overwritten.
fn damaged(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let piece = (select(corpus), any::<Index>(), prop::bool::weighted(0.8));
    let damage = prop::collection::vec((any::<Index>(), any::<u8>()), 0..3);
    (prop::collection::vec(piece, 1..4), damage).prop_map(|(pieces, damage)| {
        let mut data = Vec::new();
        for (piece, end, whole) in pieces {
            data.extend_from_slice(if whole { &piece } else { &piece[..end.index(piece.len())] });
        }
        for (place, byte) in damage {
            if !data.is_empty() {
                let place = place.index(data.len());
                data[place] = byte;
            }
        }
        data
    })
}

macro_rules! targets {
    ($($body:ident)+) => {$(
        mod $body {
            use super::*;

            #[test]
            fn the_corpus_survives() {
                corpus(stringify!($body)).iter().for_each(|data| super::$body(data));
            }

            proptest! {
                #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

                #[test]
                fn damaged_copies_survive(data in damaged(corpus(stringify!($body)))) {
                    super::$body(&data);
                }

                #[test]
                fn arbitrary_bytes_survive(data in prop::collection::vec(any::<u8>(), 0..300)) {
                    super::$body(&data);
                }
            }
        }
    )+};
}

targets! {
    client_messages instance_handshake openstack_body request_head tunnel_messages viewer_handshake websocket_frames
    zenlayer_authorization
}
