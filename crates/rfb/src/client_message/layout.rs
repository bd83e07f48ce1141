//! The length of a client message, read from its first bytes.

use crate::limits::{MAX_CUT_TEXT, MAX_ENCODINGS, MAX_EXTENDED_CUT_TEXT, MAX_FENCE};

use super::error::ClientMessageError as Error;

/// The most bytes needed to know a message's length (ClientFence).
pub(crate) const HEADER_MAX: usize = 9;

/// The kind of a message, as far as a viewer's rights depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    SetPixelFormat,
    SetEncodings,
    UpdateRequest,
    Key,
    Pointer,
    CutText(CutText),
    ContinuousUpdates,
    Fence,
    Xvp,
    SetDesktopSize,
    Gii,
    QemuKey,
    QemuAudio,
}

/// The purpose of a ClientCutText.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutText {
    /// The viewer's clipboard, in Latin-1.
    Plain,
    /// Extended Clipboard: an offer that the server may ask for (notify).
    Offer,
    /// Extended Clipboard: content that the server asked for (provide).
    Data,
    /// Extended Clipboard: capabilities, or a question.
    Talk,
}

/// The result of measuring the beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// More bytes are needed for the length. The kind is present once it is certain.
    Partial(Option<Kind>),
    /// The message is `len` bytes long. Not all of them need to be present.
    Whole { kind: Kind, len: u32 },
    /// The message is `len` bytes long, and its length or that of its payload is not accepted.
    Excess { kind: Kind, len: u32 },
}

/// Measures the message at the front of `bytes`.
///
/// `wide_pointer` is true if the viewer has announced ExtendedMouseButtons. Bit 7 of a button mask
/// then marks a PointerEvent with one more byte; otherwise it is the eighth button. A viewer that
/// announced the extension leaves the bit clear until the server confirms, so the announcement
/// alone decides.
#[inline]
pub(crate) fn measure(bytes: &[u8], wide_pointer: bool) -> Result<Measure, Error> {
    let whole = |kind, len| Ok(Measure::Whole { kind, len });
    let bounded = |kind, len, accepted| {
        Ok(if accepted { Measure::Whole { kind, len } } else { Measure::Excess { kind, len } })
    };
    let partial = |kind| Ok(Measure::Partial(Some(kind)));
    match *bytes {
        [] => Ok(Measure::Partial(None)),
        [5, ..] if !wide_pointer => whole(Kind::Pointer, 6),
        [5] => partial(Kind::Pointer),
        [5, buttons, ..] => whole(Kind::Pointer, if buttons & 0x80 == 0 { 6 } else { 7 }),
        [3, ..] => whole(Kind::UpdateRequest, 10),
        [4, ..] => whole(Kind::Key, 8),
        [0, ..] => whole(Kind::SetPixelFormat, 20),
        [2, _, a, b, ..] => {
            let count = u16::from_be_bytes([a, b]);
            bounded(Kind::SetEncodings, 4 + 4 * u32::from(count), count <= MAX_ENCODINGS)
        }
        [2, ..] => partial(Kind::SetEncodings),
        [6, _, _, _, a, b, c, d, ref payload @ ..] => {
            let announced = i32::from_be_bytes([a, b, c, d]);
            let len = announced.unsigned_abs();
            if announced >= 0 {
                return bounded(Kind::CutText(CutText::Plain), 8 + len, len <= MAX_CUT_TEXT);
            }
            // In Extended Clipboard, the length is negated and includes four bytes of flags. The
            // first flag byte holds the action.
            let use_of_it = match payload.first() {
                _ if len < 4 => CutText::Talk,
                None => return Ok(Measure::Partial(None)),
                Some(action) if action & 0x10 != 0 => CutText::Data,
                Some(action) if action & 0x08 != 0 => CutText::Offer,
                Some(_) => CutText::Talk,
            };
            bounded(Kind::CutText(use_of_it), 8 + len, (4..=MAX_EXTENDED_CUT_TEXT).contains(&len))
        }
        // The kind stays open until the length is known, because no byte of a message that is too
        // long may pass.
        [6, ..] => Ok(Measure::Partial(None)),
        [150, ..] => whole(Kind::ContinuousUpdates, 10),
        [248, _, _, _, _, _, _, _, len, ..] => bounded(Kind::Fence, 9 + u32::from(len), len <= MAX_FENCE),
        [248, ..] => Ok(Measure::Partial(None)),
        [250, ..] => whole(Kind::Xvp, 4),
        [251, _, _, _, _, _, screens, ..] => whole(Kind::SetDesktopSize, 8 + 16 * u32::from(screens)),
        [251, ..] => partial(Kind::SetDesktopSize),
        [253, endian, a, b, ..] => {
            let len =
                if endian & 0x80 != 0 { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) };
            whole(Kind::Gii, 4 + u32::from(len))
        }
        [253, ..] => partial(Kind::Gii),
        [255] => Ok(Measure::Partial(None)),
        [255, 0, ..] => whole(Kind::QemuKey, 12),
        [255, 1, a, b, ..] => match u16::from_be_bytes([a, b]) {
            0 | 1 => whole(Kind::QemuAudio, 4),
            2 => whole(Kind::QemuAudio, 10),
            operation => Err(Error::UnknownAudioOperation(operation)),
        },
        [255, 1, ..] => partial(Kind::QemuAudio),
        [255, other, ..] => Err(Error::UnknownQemuType(other)),
        [other, ..] => Err(Error::UnknownType(other)),
    }
}
