//! Frames: the layout of messages on a control connection.
//!
//! ```text
//! u8 type · u16 length · payload
//! ```

/// The longest payload in any version. A reader skips messages that it does not know, but never
/// buffers more than this.
pub const MAX_PAYLOAD: usize = 2048;
const HEADER: usize = 3;

/// The reason why a frame is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message ends in the middle of a field.
    #[error("a message ends in the middle of a field")]
    Short,
    /// The message or one of its fields is too long.
    #[error("a message is too long")]
    Long,
    /// A field has a value that is not allowed.
    #[error("a message's {0} has an unknown value")]
    Value(&'static str),
    /// A text is not UTF-8.
    #[error("a message's text is not UTF-8")]
    Text,
}

/// Received bytes that are not whole frames yet.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Appends received bytes. The inbox holds at most the bytes of one frame and one read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Removes the next whole frame, and returns its type and payload.
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

/// A frame under construction.
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

    /// Appends a text after its length. A text longer than `max` bytes is cut at a character
    /// boundary.
    pub(crate) fn text(self, text: &str, max: usize) -> Self {
        let mut end = text.len().min(max);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.as_bytes().get(..end).unwrap_or_default();
        // `max` is always less than `u16::MAX`, so this cannot fail.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.bytes(&length.to_be_bytes()).bytes(text)
    }

    /// The finished frame with its length. A payload over the limit is cut off, but this program
    /// sends no message of that length.
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
