//! Bodies for fuzzing, as plain functions: arbitrary bytes must neither panic nor be told apart by how they are cut.

use crate::api::{openstack, zenlayer};
use crate::gateway::websocket::frame::{Deframer, FrameError, Signals};
use crate::listener::head::{parse_connect, parse_upgrade, recognise};

/// The peek at a connection's first bytes, and the heads of a raw CONNECT and of a request for a WebSocket.
pub fn request_head(data: &[u8]) {
    let (mut opening, mut head, mut upgrade) = (None, Ok(None), None);
    for end in 0..=data.len() {
        let bytes = &data[..end];
        if opening.is_some() {
            assert_eq!(opening, recognise(bytes), "what a connection is changed with more bytes");
        }
        opening = recognise(bytes);
        if head != Ok(None) {
            assert_eq!(head, parse_connect(bytes), "a head that was read changed with more bytes");
        }
        head = parse_connect(bytes);
        if let Ok(Some(head)) = &head {
            assert!(head.len <= end && !head.target.is_empty(), "a head is longer than what came");
        }
        let len = parse_upgrade(bytes).map(|head| head.len);
        assert!(len.is_none_or(|len| len <= end), "a head is longer than what came");
        assert!(upgrade.is_none() || upgrade == len, "a head that was read changed with more bytes");
        upgrade = len;
    }
}

/// The headers of a call to Zenlayer's door, each on a line; the first is the `Authorization`.
pub fn zenlayer_authorization(data: &[u8]) {
    zenlayer::fuzz::authorization(data);
}

/// The body of a call to OpenStack's door.
pub fn openstack_body(data: &[u8]) {
    openstack::fuzz::body(data);
}

/// Frames from a viewer.
pub fn websocket_frames(data: &[u8]) {
    let whole = unframed(data, &[data.len().max(1)]);
    for sizes in [&[1][..], &[2, 3], &[7, 1, 30], &[13]] {
        match (&whole, unframed(data, sizes)) {
            (Ok(whole), Ok(cut)) => assert_eq!(*whole, cut, "the data depends on how the stream is cut"),
            (Err(whole), Err(cut)) => assert_eq!(*whole, cut, "the error depends on how the stream is cut"),
            (whole, cut) => panic!("the end depends on how the stream is cut: {whole:?}, {cut:?}"),
        }
    }
}

/// The payloads and signals of frames that arrive in chunks of the given sizes, over and over.
fn unframed(data: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, Signals), FrameError> {
    let (mut deframer, mut signals, mut payloads) = (Deframer::default(), Signals::default(), Vec::new());
    let (mut rest, mut sizes) = (data, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).min(rest.len());
        let (chunk, tail) = rest.split_at(size);
        let mut chunk = chunk.to_vec();
        let range = deframer.unmask(&mut chunk, &mut signals)?;
        payloads.extend_from_slice(&chunk[range]);
        rest = tail;
    }
    assert!(payloads.len() <= data.len(), "the stream grew");
    Ok((payloads, signals))
}
