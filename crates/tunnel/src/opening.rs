//! The first words inside the end-to-end connection, before the session's own bytes.
//!
//! ```text
//! connector → agent   32 voucher · u16 length · { u8 version · text target's name (empty: the agent's first) · … }
//! agent → connector   32 voucher · u16 length · { u8 outcome · text words for people · … }
//! ```
//!
//! What stands between braces has that length, at most [`MAX_WORDS`]; a reader skips what follows the fields that it knows. The
//! version is the oldest one whose agents can serve the request; `text` is `u16 length · UTF-8`.
//!
//! The vouchers come from the session's ticket ([`Ticket::vouch`](crate::Ticket::vouch)): they hold only where both see the
//! same end-to-end connection.

use crate::frame::{FrameError, MAX_PAYLOAD};
use crate::wire::Reader;

/// The longest of either text.
pub const MAX_TEXT: usize = 255;
/// The longest of what follows a voucher and its length.
pub const MAX_WORDS: usize = MAX_PAYLOAD;
/// How long the length is that stands before the words.
pub const LENGTH: usize = 2;
/// The version of requests as they are made here: every agent serves them.
const VERSION: u8 = 1;

/// What became of a connection at the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// What follows is the target's.
    Open = 0,
    /// The agent does not forward to a target of this name.
    NoSuchTarget = 1,
    /// The target does not take connections.
    Unreachable = 2,
    /// The connector's key is not one that the agent accepts.
    KeyRefused = 3,
    /// The connector's key is not the one that it had before.
    KeyChanged = 4,
    /// The agent is too old for the request.
    Version = 5,
    /// A later version's reason; the words say which.
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

/// What the connector says.
#[must_use]
pub fn request(target: &str) -> Vec<u8> {
    words(VERSION, target)
}

/// What the agent answers.
#[must_use]
pub fn answer(outcome: Outcome, text: &str) -> Vec<u8> {
    words(outcome as u8, text)
}

/// How many words follow.
pub fn length(bytes: [u8; LENGTH]) -> Result<usize, FrameError> {
    let length = usize::from(u16::from_be_bytes(bytes));
    if length > MAX_WORDS { Err(FrameError::Long) } else { Ok(length) }
}

/// The target's name in a connector's words; `None` where they are for later agents.
pub fn read_request(words: &[u8]) -> Result<Option<String>, FrameError> {
    let mut reader = Reader(words);
    if reader.u8()? > VERSION {
        return Ok(None);
    }
    reader.text(MAX_TEXT).map(Some)
}

/// The outcome in an agent's words, and what it says to people.
pub fn read_answer(words: &[u8]) -> Result<(Outcome, String), FrameError> {
    let mut reader = Reader(words);
    Ok((Outcome::from_byte(reader.u8()?), reader.text(MAX_TEXT)?))
}

/// What is known of an answer that was cut off: the outcome comes first, and a refusal stands without its words.
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
    // MAX_TEXT and what stands before it fit.
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(0).to_be_bytes();
    [&length(text.len() + 3)[..], &[first], &length(text.len()), text].concat()
}
