//! The page's own channel: messages beside RFB, on the same WebSocket (subprotocol
//! `transom.page.1`).
//!
//! RFB travels in binary messages. Each text message is one JSON object of this channel, at most
//! [`MAX_TEXT`](deframer::MAX_TEXT) bytes. A viewer that does not list the subprotocol neither
//! sends nor receives any. Both sides ignore an unknown `type`, so either may be newer than the
//! other.
//!
//! ```text
//! to the page
//!   {"type":"beat"}                                  every 10 s; the page echoes it
//!   {"type":"waiting","for":"connection"}            the gateway dials the instance
//!   {"type":"waiting","for":"acceptance"}            a person at the instance may have to accept
//!   {"type":"notice","what":"ending","seconds":300}  the session ends by then
//!   {"type":"notice","what":"restart"}               the node stops; the page comes back by ticket
//!   {"type":"clipboard","state":"written"}           the VNC server got the text, unconfirmed
//!   {"type":"clipboard","state":"offered"}           the VNC server knows that there is a text
//!   {"type":"clipboard","state":"provided"}          the VNC server asked for the text and got it
//!   {"type":"clipboard","state":"skipped"}           the text was over the limit
//! from the page
//!   {"type":"beat"}                                  the page is there
//!   {"type":"leave"}                                 ends the session; a close alone does not
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use transom_rfb::ClipboardFate;
use transom_websocket::deframer;

/// The number of messages that a page may send per second, all at once if it likes. People do not
/// click faster.
pub const MAX_PER_SECOND: u32 = deframer::MAX_TEXTS as u32;

/// A message to the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToPage {
    /// The line is alive.
    Beat,
    /// The screen takes longer to appear.
    Waiting {
        /// Its cause.
        #[serde(rename = "for")]
        cause: Wait,
    },
    /// News about the session.
    Notice(Notice),
    /// The fate of a text for the instance's clipboard.
    Clipboard {
        /// The state of the text.
        state: Clipboard,
    },
}

/// The cause of a wait for the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// The gateway is dialling the instance.
    Connection,
    /// The VNC server has been silent since its greeting: a person there may have to accept.
    Acceptance,
}

/// News about the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Notice {
    /// The session ends after this many seconds.
    Ending {
        /// The seconds from now.
        seconds: u64,
    },
    /// The node stops, and another one takes over.
    Restart,
}

/// The state of a text for the instance's clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clipboard {
    /// The VNC server has it; the protocol has no confirmation.
    Written,
    /// The VNC server may ask for it.
    Offered,
    /// The VNC server asked for it and has it.
    Provided,
    /// It was over the limit.
    Skipped,
}

impl From<ClipboardFate> for Clipboard {
    fn from(fate: ClipboardFate) -> Self {
        match fate {
            ClipboardFate::Written => Self::Written,
            ClipboardFate::Offered => Self::Offered,
            ClipboardFate::Provided => Self::Provided,
            ClipboardFate::Skipped => Self::Skipped,
        }
    }
}

/// A message from the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromPage {
    /// The page is there.
    Beat,
    /// The session is over.
    Leave,
    /// A message of a type that only newer pages send.
    Unknown,
}

/// A text message that is not a JSON object with a `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message on the page's channel is not a JSON object with a type")]
pub struct Malformed;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

impl ToPage {
    /// Returns the message as its text.
    pub fn text(&self) -> String {
        // Neither keys nor values of these types can fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl FromPage {
    /// Reads a text message.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let envelope: Envelope<'_> = serde_json::from_slice(text).map_err(|_| Malformed)?;
        Ok(match envelope.kind.as_ref() {
            "beat" => Self::Beat,
            "leave" => Self::Leave,
            _ => Self::Unknown,
        })
    }
}

/// The number of messages that a page may still send: at most [`MAX_PER_SECOND`], and back at that
/// number a second after the last one.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// The time at which the whole allowance is there again.
    full_at: Instant,
}

impl Allowance {
    const EACH: Duration = Duration::from_millis(1000 / MAX_PER_SECOND as u64);

    /// A whole allowance.
    pub fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one message. Returns `false` if none is left.
    pub fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + Self::EACH;
        let allowed = full_at <= now + Self::EACH * MAX_PER_SECOND;
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_to_the_page_are_these() {
        for (message, text) in [
            (ToPage::Beat, r#"{"type":"beat"}"#),
            (ToPage::Waiting { cause: Wait::Connection }, r#"{"type":"waiting","for":"connection"}"#),
            (ToPage::Waiting { cause: Wait::Acceptance }, r#"{"type":"waiting","for":"acceptance"}"#),
            (
                ToPage::Notice(Notice::Ending { seconds: 300 }),
                r#"{"type":"notice","what":"ending","seconds":300}"#,
            ),
            (ToPage::Notice(Notice::Restart), r#"{"type":"notice","what":"restart"}"#),
            (ToPage::Clipboard { state: Clipboard::Written }, r#"{"type":"clipboard","state":"written"}"#),
            (ToPage::Clipboard { state: Clipboard::Offered }, r#"{"type":"clipboard","state":"offered"}"#),
            (ToPage::Clipboard { state: Clipboard::Provided }, r#"{"type":"clipboard","state":"provided"}"#),
            (ToPage::Clipboard { state: Clipboard::Skipped }, r#"{"type":"clipboard","state":"skipped"}"#),
        ] {
            assert_eq!(message.text(), text);
        }
    }

    #[test]
    fn messages_from_the_page_are_read_and_unknown_ones_ignored() {
        for (text, message) in [
            (r#"{"type":"beat"}"#, Ok(FromPage::Beat)),
            (r#" { "type" : "leave" , "why": [1] } "#, Ok(FromPage::Leave)),
            (r#"{"type":"l\u0065ave"}"#, Ok(FromPage::Leave)),
            (r#"{"type":"quality","value":3}"#, Ok(FromPage::Unknown)),
            (r#"{"type":""}"#, Ok(FromPage::Unknown)),
            (r#"{"type":7}"#, Err(Malformed)),
            (r#"{}"#, Err(Malformed)),
            (r#""leave""#, Err(Malformed)),
            (r#"{"type":"leave"} x"#, Err(Malformed)),
            ("", Err(Malformed)),
        ] {
            assert_eq!(FromPage::parse(text.as_bytes()), message, "{text}");
        }
    }

    #[test]
    fn twenty_messages_pass_at_once_and_twenty_more_a_second_later() {
        let begun = Instant::now();
        let mut allowance = Allowance::new(begun);
        assert_eq!((0..30).filter(|_| allowance.take(begun)).count(), 20);
        let later = begun + Duration::from_millis(500);
        assert_eq!((0..30).filter(|_| allowance.take(later)).count(), 10);
        assert_eq!((0..30).filter(|_| allowance.take(later + Duration::from_secs(9))).count(), 20);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = FromPage::parse(&text);
        }
    }
}
