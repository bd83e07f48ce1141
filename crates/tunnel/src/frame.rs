//! Frames: how messages lie on a control connection.
//!
//! ```text
//! u8 type · u16 length · payload
//! ```

/// No message is longer, of any version: a reader skips what it does not know, but never holds more of it.
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

/// A frame that is being written.
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    pub(crate) fn of(kind: u8) -> Self {
        Self(vec![kind, 0, 0])
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn number(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// A text behind its length, cut at a character where it is longer than `max`.
    pub(crate) fn text(self, text: &str, max: usize) -> Self {
        let mut end = text.len().min(max);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.as_bytes().get(..end).unwrap_or_default();
        // No text of the protocol is allowed so many bytes.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.bytes(&length.to_be_bytes()).bytes(text)
    }

    /// The frame with its length; what is too long for one is cut, which no message of ours is.
    pub(crate) fn whole(self) -> Vec<u8> {
        let Self(mut frame) = self;
        frame.truncate(HEADER + MAX_PAYLOAD);
        let length = u16::try_from(frame.len() - HEADER).unwrap_or(u16::MAX);
        for (place, byte) in frame.iter_mut().skip(1).zip(length.to_be_bytes()) {
            *place = byte;
        }
        frame
    }
}
