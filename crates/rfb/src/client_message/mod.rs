//! Messages from a viewer to an instance (RFC 6143 §7.5 and extensions): numbers, lengths, meaning.
//!
//! ```text
//!   0  SetPixelFormat            0 · 3 padding · 16 format
//!   2  SetEncodings              2 · 1 padding · U16 n · n × S32
//!   3  FramebufferUpdateRequest  3 · U8 incremental · U16 x · U16 y · U16 w · U16 h
//!   4  KeyEvent                  4 · U8 down · 2 padding · U32 keysym
//!   5  PointerEvent              5 · U8 buttons · U16 x · U16 y
//!      extended                  5 · U8 buttons, bit 7 set · U16 x · U16 y · U8 further buttons
//!   6  ClientCutText             6 · 3 padding · U32 length · text
//!      Extended Clipboard        6 · 3 padding · S32 −length (with flags) · U32 flags · …
//! 150  EnableContinuousUpdates 150 · U8 enable · U16 x · U16 y · U16 w · U16 h
//! 248  ClientFence             248 · 3 padding · U32 flags · U8 length · payload
//! 250  xvp                     250 · 1 padding · U8 version · U8 code
//! 251  SetDesktopSize          251 · 1 padding · U16 w · U16 h · U8 n · 1 padding · n × 16
//! 253  gii                     253 · U8 sub-type, bit 7 = big endian · EU16 length · …
//! 255  QEMU key                255 · U8 0 · U16 down · U32 keysym · U32 keycode
//!      QEMU audio              255 · U8 1 · U16 operation (0 on, 1 off, 2 format: U8 · U8 · U32)
//! ```

mod error;
mod layout;

use crate::pixel_format::PixelFormat;
use crate::wire::{Reader, Truncated};

pub use error::ClientMessageError;
pub(crate) use layout::{CutText, HEADER_MAX, Kind, Measure, measure};

/// A decoded core message, for a minimal server that announces no extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// A new pixel format for all later updates.
    SetPixelFormat(PixelFormat),
    /// The encodings that the viewer understands, in order of preference. Each is a big-endian S32.
    SetEncodings(&'a [[u8; 4]]),
    /// A request for an update.
    UpdateRequest {
        /// True if the viewer wants changes only.
        incremental: bool,
        /// The left edge, top edge, width and height of the area.
        area: [u16; 4],
    },
    /// A key went down or up.
    Key {
        /// True if the key went down.
        down: bool,
        /// The X11 keysym.
        keysym: u32,
    },
    /// The pointer moved, or its buttons changed.
    Pointer {
        /// A mask with one bit for each button. Bit 0 is the left button.
        buttons: u8,
        /// The column.
        x: u16,
        /// The row.
        y: u16,
    },
    /// The viewer's clipboard, in Latin-1.
    CutText(&'a [u8]),
    /// A well-formed message of an extension.
    Extension(u8),
}

impl<'a> ClientMessage<'a> {
    /// Reads a message from the front of `bytes`, and returns it with its length. `None` if the
    /// message is not whole yet.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, ClientMessageError> {
        let (kind, len) = match measure(bytes, false)? {
            Measure::Whole { kind, len } => (kind, len),
            Measure::Partial(_) => return Ok(None),
            Measure::Excess { len, .. } => {
                let number = bytes.first().copied().unwrap_or_default();
                return Err(ClientMessageError::Length { number, len });
            }
        };
        let message = usize::try_from(len).ok().and_then(|len| bytes.get(..len));
        Ok(message.and_then(|message| Some((Self::read(kind, message).ok()?, message.len()))))
    }

    fn read(kind: Kind, message: &'a [u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(message);
        let number = reader.u8()?;
        Ok(match kind {
            Kind::SetPixelFormat => {
                reader.skip(3)?;
                Self::SetPixelFormat(PixelFormat::read(&mut reader)?)
            }
            Kind::SetEncodings => {
                reader.skip(3)?;
                Self::SetEncodings(reader.rest().as_chunks().0)
            }
            Kind::UpdateRequest => Self::UpdateRequest {
                incremental: reader.u8()? != 0,
                area: [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?],
            },
            Kind::Key => {
                let down = reader.u8()? != 0;
                reader.skip(2)?;
                Self::Key { down, keysym: reader.u32()? }
            }
            Kind::Pointer => Self::Pointer { buttons: reader.u8()?, x: reader.u16()?, y: reader.u16()? },
            Kind::CutText(CutText::Plain) => {
                reader.skip(7)?;
                Self::CutText(reader.rest())
            }
            _ => Self::Extension(number),
        })
    }
}
