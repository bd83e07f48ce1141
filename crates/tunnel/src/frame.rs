//! Frames: how messages lie on a control connection.
//!
//! ```text
//! u8 type · u16 length · payload
//! ```

/// No message is longer.
pub const MAX_PAYLOAD: usize = 2048;
const HEADER: usize = 3;

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message ends in the middle of a field.
    #[error("a message ends in the middle of a field")]
    Short,
    /// A message is longer than it may be.
    #[error("a message is longer than it may be")]
    Long,
    /// Not a type there is.
    #[error("a message has the unknown type {0:#04x}")]
    Type(u8),
    /// A field has a value that it may not have.
    #[error("a message's {0} has an unknown value")]
    Value(&'static str),
    /// Text is not UTF-8.
    #[error("a message's text is not UTF-8")]
    Text,
}

/// Bytes that came, until they are whole frames.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Takes bytes in; there are at most one frame's and one read's in here.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame's type and payload.
    pub(crate) fn next_frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, FrameError> {
        let Some((header, rest)) = self.bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [kind, high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_PAYLOAD {
            return Err(FrameError::Long);
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let payload = payload.to_vec();
        self.bytes.drain(..HEADER + length);
        Ok(Some((kind, payload)))
    }
}

/// A frame around a payload; what is too long for one is cut, which no message of ours is.
pub(crate) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..MAX_PAYLOAD).unwrap_or(payload);
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    [&[kind], &length.to_be_bytes()[..], payload].concat()
}
