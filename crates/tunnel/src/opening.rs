//! The first words inside the end-to-end connection, before the session's own bytes.
//!
//! ```text
//! connector → agent   32 voucher · u8 version · u8 length · target's name (empty: the agent's first)
//! agent → connector   32 voucher · u8 outcome · u8 length · words for people
//! ```
//!
//! The vouchers come from the session's ticket ([`Ticket::vouch`](crate::Ticket::vouch)): they hold only where both see the
//! same end-to-end connection.

use crate::VERSION;
use crate::frame::FrameError;

/// The longest of either text.
pub const MAX_TEXT: usize = 255;

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
}

impl Outcome {
    /// The outcome of this number.
    pub fn from_byte(byte: u8) -> Result<Self, FrameError> {
        [Self::Open, Self::NoSuchTarget, Self::Unreachable, Self::KeyRefused, Self::KeyChanged]
            .into_iter()
            .find(|outcome| *outcome as u8 == byte)
            .ok_or(FrameError::Value("outcome"))
    }
}

/// What the connector says.
#[must_use]
pub fn request(target: &str) -> Vec<u8> {
    message(VERSION, target)
}

/// What the agent answers.
#[must_use]
pub fn answer(outcome: Outcome, words: &str) -> Vec<u8> {
    message(outcome as u8, words)
}

fn message(first: u8, text: &str) -> Vec<u8> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.as_bytes().get(..end).unwrap_or_default();
    [&[first, u8::try_from(text.len()).unwrap_or(0)], text].concat()
}
