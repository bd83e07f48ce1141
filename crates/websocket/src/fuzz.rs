//! The body of the fuzz target. Arbitrary bytes must not cause a panic, and must give the same
//! result however the stream is cut into chunks.

use crate::deframer::{Deframer, FrameError, Signals};

/// Reads arbitrary bytes as frames from a viewer.
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

/// Returns the payloads and signals of frames that arrive in chunks of the given sizes, which
/// repeat.
fn unframed(data: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, Signals), FrameError> {
    let (mut deframer, mut signals, mut payloads) = (Deframer::default(), Signals::default(), Vec::new());
    let (mut rest, mut sizes) = (data, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).min(rest.len());
        let (chunk, tail) = rest.split_at(size);
        let mut chunk = chunk.to_vec();
        let range = deframer.unmask(&mut chunk, &mut signals)?;
        let Some(payload) = chunk.get(range) else { panic!("a payload lies outside its chunk") };
        payloads.extend_from_slice(payload);
        rest = tail;
    }
    assert!(payloads.len() <= data.len(), "the stream grew");
    Ok((payloads, signals))
}
