//! Tests with broken input: the fuzz bodies on arbitrary bytes, and on mutations of real streams.

use proptest::prelude::*;
use transom_rfb::fuzz;

/// Beginnings of real streams, to be cut, repeated and damaged. The byte in front chooses rights or
/// credentials.
const CORPUS: &[&[u8]] = &[
    b"RFB 003.008\n\x01\x01\0\0\0\0\x03\x20\x02\x58\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x04QEMU",
    b"RFB 003.008\n\x01\x02................\0\0\0\x01\0\0\0\x15Authentication failed",
    b"RFB 003.007\n\0\0\0\0\x1aToo many security failures",
    b"RFB 003.003\n\0\0\0\x02................\0\0\0\0",
    b"RFB 003.889\n\x02\x13\x02\0\x02\0\x02\0\0\x01\x04\0\0\x01\x05\x01",
    b"\0\0\0\0\x20\x18\0\x01\0\xff\0\xff\0\xff\0\x08\x10\0\0\0\x03\x01\0\0\0\0\x03\x20\x02\x58\x04\x01\0\0\0\0\xff\x0d",
    b"\x02\0\0\x04\0\0\0\x07\xff\xff\xfe\xc4\xff\xff\xfe\xc9\xc0\xa1\xe5\xce\x05\x80\0\x7b\0\x2d\x01\x05\x01\0\0\0\0",
    b"\x06\0\0\0\0\0\0\x05hello\x06\0\0\0\xff\xff\xff\xfc\x02\0\0\x01\xf8\0\0\0\x80\0\0\x01\x03abc\xfa\0\x01\x02",
    b"\xfb\0\x04\0\x03\0\x01\0\0\0\0\x01\0\0\0\0\x04\0\x03\0\0\0\0\0\xfd\x80\0\x04\x03\x08\0\0\xff\0\0\x01\0\0\0\x61\0\0\0\x1e",
    b"\xff\x01\0\x02\x03\x02\0\0\xac\x44\x96\x01\0\0\0\0\x03\x20\x02\x58",
];

fn all(data: &[u8]) {
    fuzz::client_messages(data);
    fuzz::instance_handshake(data);
    fuzz::viewer_handshake(data);
}

/// Builds one to four pieces of the corpus, each cut somewhere, with up to three bytes overwritten.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let piece = (prop::sample::select(CORPUS), any::<prop::sample::Index>(), prop::bool::weighted(0.8));
    let pieces = prop::collection::vec(piece, 1..4);
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (any::<u8>(), pieces, damage).prop_map(|(choice, pieces, damage)| {
        let mut data = vec![choice];
        for (piece, end, whole) in pieces {
            data.extend(if whole { piece } else { &piece[..end.index(piece.len())] });
        }
        for (place, byte) in damage {
            let place = place.index(data.len());
            data[place] = byte;
        }
        data
    })
}

#[test]
fn the_corpus_survives_with_every_choice() {
    for piece in CORPUS {
        for choice in 0..8 {
            all(&[&[choice], *piece].concat());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_neither_panic_nor_depend_on_how_they_are_cut(data in prop::collection::vec(any::<u8>(), 0..200)) {
        all(&data);
    }

    #[test]
    fn damaged_streams_neither_panic_nor_depend_on_how_they_are_cut(data in mutated()) {
        all(&data);
    }
}
