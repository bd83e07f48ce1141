//! ServerInit: the screen at the start of a session (RFC 6143 §7.3.2).
//!
//! `U16 width · U16 height · 16 PIXEL_FORMAT · U32 name length · name`

use crate::limits::{MAX_NAME, MAX_PIXELS, MAX_SIDE};
use crate::pixel_format::PixelFormat;
use crate::wire::{Reader, Truncated, Writer};

/// The length of ServerInit without the name.
pub const SERVER_INIT_HEADER_LEN: usize = 24;

/// The screen that a server announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInit {
    /// The width of the screen in pixels. Width and height are zero if the server does not know its
    /// size yet. The first update then announces it.
    pub width: u16,
    /// The height of the screen in pixels.
    pub height: u16,
    /// The server's pixel format until the viewer sets another one.
    pub pixel_format: PixelFormat,
    /// The desktop's name as it was sent: usually UTF-8, but never checked. See
    /// [`ServerInit::display_name`].
    pub name: Vec<u8>,
}

/// The reason why a ServerInit is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerInitError {
    /// The announced name is longer than [`MAX_NAME`].
    #[error("announces a desktop name of {0} bytes (at most {MAX_NAME} are accepted)")]
    NameTooLong(u32),
    /// A side is longer than [`MAX_SIDE`], or the screen has more than [`MAX_PIXELS`] pixels.
    #[error(
        "announces a screen of {width}×{height} pixels (up to {MAX_SIDE}×{MAX_SIDE} and 2²⁷ pixels are accepted)"
    )]
    ScreenSize {
        /// The announced width.
        width: u16,
        /// The announced height.
        height: u16,
    },
    /// The message ends early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
}

impl ServerInit {
    /// Checks the fixed-size header, and returns the length of the name that follows it.
    pub fn name_len(header: &[u8]) -> Result<usize, ServerInitError> {
        let mut reader = Reader::new(header);
        let (width, height) = (reader.u16()?, reader.u16()?);
        PixelFormat::read(&mut reader)?;
        let name_len = reader.u32()?;
        let pixels = u32::from(width) * u32::from(height);
        if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
            return Err(ServerInitError::ScreenSize { width, height });
        }
        if name_len > MAX_NAME {
            return Err(ServerInitError::NameTooLong(name_len));
        }
        Ok(name_len as usize)
    }

    /// Reads a whole message.
    pub fn parse(message: &[u8]) -> Result<Self, ServerInitError> {
        let name_len = Self::name_len(message)?;
        let mut reader = Reader::new(message);
        Ok(Self {
            width: reader.u16()?,
            height: reader.u16()?,
            pixel_format: PixelFormat::read(&mut reader)?,
            name: {
                reader.skip(4)?;
                reader.bytes(name_len)?.to_vec()
            },
        })
    }

    /// Encodes the message that announces this screen.
    pub fn message(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u16(self.width).u16(self.height);
        self.pixel_format.write(&mut writer);
        writer.string(&self.name, MAX_NAME).take()
    }

    /// The desktop's name, made safe to show: at most 120 characters, without control characters.
    pub fn display_name(&self) -> String {
        crate::printable::printable(&self.name, 120)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const GOLDEN: &[u8] =
        b"\x03\x20\x02\x58\x20\x18\x00\x01\x00\xff\x00\xff\x00\xff\x10\x08\x00\0\0\0\x00\x00\x00\x04QEMU";

    fn sized(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = GOLDEN.to_vec();
        bytes.splice(..4, [width.to_be_bytes(), height.to_be_bytes()].concat());
        bytes
    }

    #[test]
    fn the_golden_bytes_read_and_write_the_same() {
        let init = ServerInit::parse(GOLDEN).unwrap();
        assert_eq!((init.width, init.height), (800, 600));
        assert_eq!(init.pixel_format, PixelFormat::RGB888);
        assert_eq!(init.display_name(), "QEMU");
        assert_eq!(init.message(), GOLDEN);
    }

    #[test]
    fn a_screen_that_is_too_large_is_refused() {
        for (width, height) in [(65535, 65535), (0, 16385), (16385, 1), (16384, 8193)] {
            let error = ServerInit::parse(&sized(width, height)).unwrap_err();
            assert_eq!(error, ServerInitError::ScreenSize { width, height });
        }
        for (width, height) in [(16384, 8192), (0, 0), (0, 600), (800, 0)] {
            assert!(ServerInit::parse(&sized(width, height)).is_ok(), "{width}×{height}");
        }
    }

    #[test]
    fn a_four_gigabyte_name_is_refused_before_a_byte_of_it_is_stored() {
        let mut bytes = GOLDEN.to_vec();
        bytes.splice(20.., [0xff; 4]);
        assert_eq!(ServerInit::name_len(&bytes), Err(ServerInitError::NameTooLong(u32::MAX)));
    }
}
