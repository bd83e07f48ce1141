//! The bounds-checked reader and the writer of big-endian RFB fields (RFC 6143 §7).

/// The error for bytes that end in the middle of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes end in the middle of a field")]
pub struct Truncated;

/// Reads fields from the front of a slice, and never past its end.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Creates a reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Reads the next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (head, tail) = self.bytes.split_first_chunk().ok_or(Truncated)?;
        self.bytes = tail;
        Ok(*head)
    }

    /// Reads the next `len` bytes, borrowed. The caller has compared `len` with a limit.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Truncated> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(Truncated)?;
        self.bytes = tail;
        Ok(head)
    }

    /// Skips `len` bytes of padding.
    pub fn skip(&mut self, len: usize) -> Result<(), Truncated> {
        self.bytes(len).map(|_| ())
    }

    /// Reads a U8.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array().map(u8::from_be_bytes)
    }

    /// Reads a U16.
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads a U32.
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads an S32.
    pub fn i32(&mut self) -> Result<i32, Truncated> {
        self.array().map(i32::from_be_bytes)
    }

    /// The bytes that have not been read.
    pub fn rest(self) -> &'a [u8] {
        self.bytes
    }
}

/// Appends fields to a byte vector.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Creates a writer with an empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a U8.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// Appends a U16.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a U32.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends an S32.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends `len` zero bytes.
    pub fn pad(&mut self, len: usize) -> &mut Self {
        self.bytes.resize(self.bytes.len() + len, 0);
        self
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends RFB's string: a U32 length and that many bytes. A text longer than `limit` is cut.
    pub fn string(&mut self, text: &[u8], limit: u32) -> &mut Self {
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX).min(limit);
        let kept = text.get(..len as usize).unwrap_or(text);
        self.u32(len).bytes(kept)
    }

    /// Takes the message written so far, and leaves the writer empty.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_written() {
        let mut writer = Writer::new();
        writer.u8(1).u16(0x0203).u32(0x0405_0607).i32(-2).pad(2).string(b"name", 3);
        let bytes = writer.take();
        assert_eq!(bytes, b"\x01\x02\x03\x04\x05\x06\x07\xff\xff\xff\xfe\0\0\0\0\0\x03nam");

        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!(reader.u32(), Ok(0x0405_0607));
        assert_eq!(reader.i32(), Ok(-2));
        reader.skip(2).unwrap();
        let len = reader.u32().unwrap() as usize;
        assert_eq!(reader.bytes(len), Ok(&b"nam"[..]));
        assert!(reader.rest().is_empty());
    }

    #[test]
    fn a_read_past_the_end_takes_nothing() {
        let mut reader = Reader::new(b"\x01\x02\x03");
        assert_eq!(reader.u32(), Err(Truncated));
        assert_eq!(reader.bytes(usize::MAX), Err(Truncated));
        assert_eq!(reader.rest(), b"\x01\x02\x03");
    }
}
