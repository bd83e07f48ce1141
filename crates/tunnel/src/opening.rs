//! The request and the answer at the start of the end-to-end connection, before the session's own
//! bytes.
//!
//! ```text
//! connector → agent   32 voucher · u16 length · { u8 version · text target (empty: first) · … }
//! agent → connector   32 voucher · u16 length · { u8 outcome · text for people · … }
//! ```
//!
//! The length covers the fields between braces, and is at most [`MAX_WORDS`]. A reader skips bytes
//! after the fields that it knows. The version is the oldest that can serve the request; `text` is
//! `u16 length · UTF-8`.
//!
//! Both vouchers come from the session's ticket
//! ([`MeetingTicket::vouch`](crate::MeetingTicket::vouch)). They hold only if both sides see the
//! same end-to-end connection.

use crate::frame::{FrameError, MAX_PAYLOAD};
use crate::wire::Reader;

/// The longest target name, and the longest text for people.
pub const MAX_TEXT: usize = 255;
/// The longest request or answer, without its voucher and length.
pub const MAX_WORDS: usize = MAX_PAYLOAD;
/// The size of the length field.
pub const LENGTH: usize = 2;
/// The version of this program's requests, which every agent can serve.
const VERSION: u8 = 1;

/// The result of a connection at the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// The connection is open: the target's bytes follow.
    Open = 0,
    /// The agent does not forward to a target of this name.
    NoSuchTarget = 1,
    /// The target does not accept connections.
    Unreachable = 2,
    /// The agent does not accept the connector's key.
    KeyRefused = 3,
    /// The connector shows another key than before.
    KeyChanged = 4,
    /// The agent is too old for the request.
    Version = 5,
    /// A result of a later version. The text explains it.
    Other = 255,
}

impl Outcome {
    fn from_byte(byte: u8) -> Self {
        [Self::Open, Self::NoSuchTarget, Self::Unreachable, Self::KeyRefused, Self::KeyChanged, Self::Version]
            .into_iter()
            .find(|outcome| *outcome as u8 == byte)
            .unwrap_or(Self::Other)
    }
}

/// Encodes the connector's request.
#[must_use]
pub fn request(target: &str) -> Vec<u8> {
    words(VERSION, target)
}

/// Encodes the agent's answer.
#[must_use]
pub fn answer(outcome: Outcome, text: &str) -> Vec<u8> {
    words(outcome as u8, text)
}

/// Reads the length of the request or answer that follows.
pub fn length(bytes: [u8; LENGTH]) -> Result<usize, FrameError> {
    let length = usize::from(u16::from_be_bytes(bytes));
    if length > MAX_WORDS { Err(FrameError::Long) } else { Ok(length) }
}

/// Reads the target's name from a connector's request. Returns `None` if only later agents can
/// serve it.
pub fn read_request(words: &[u8]) -> Result<Option<String>, FrameError> {
    let mut reader = Reader(words);
    if reader.u8()? > VERSION {
        return Ok(None);
    }
    reader.text(MAX_TEXT).map(Some)
}

/// Reads the outcome and the text for people from an agent's answer.
pub fn read_answer(words: &[u8]) -> Result<(Outcome, String), FrameError> {
    let mut reader = Reader(words);
    Ok((Outcome::from_byte(reader.u8()?), reader.text(MAX_TEXT)?))
}

/// Reads an answer that was cut off. The outcome comes first, so a refusal is valid without its
/// text. Returns `None` if the outcome is missing, or is `Open`.
#[must_use]
pub fn read_cut_answer(words: &[u8]) -> Option<(Outcome, String)> {
    let (outcome, rest) = words.split_first()?;
    let outcome = Outcome::from_byte(*outcome);
    let text = rest.get(2..).unwrap_or_default();
    (outcome != Outcome::Open).then(|| (outcome, String::from_utf8_lossy(text).into_owned()))
}

fn words(first: u8, text: &str) -> Vec<u8> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.as_bytes().get(..end).unwrap_or_default();
    // The conversion cannot fail, because `MAX_TEXT` bytes and the fields before them fit.
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(0).to_be_bytes();
    [&length(text.len() + 3)[..], &[first], &length(text.len()), text].concat()
}
