//! The bounds-checked reader. It compares a length with its limit before it copies anything.

use crate::frame::FrameError;

/// Reads fields from the front of a slice.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(FrameError::Short)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FrameError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FrameError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads a length and a text of at most `max` bytes.
    pub(crate) fn text(&mut self, max: usize) -> Result<String, FrameError> {
        let length = usize::from(self.u16()?);
        if length > max {
            return Err(FrameError::Long);
        }
        let (head, tail) = self.0.split_at_checked(length).ok_or(FrameError::Short)?;
        self.0 = tail;
        std::str::from_utf8(head).map(str::to_owned).map_err(|_| FrameError::Text)
    }
}
