//! The body of the fuzz target. Arbitrary bytes must not cause a panic, and must give the same
//! result however the stream is cut into chunks.

use crate::frame::{FrameError, Inbox};
use crate::message::Message;
use crate::opening;
use crate::raw::{self, Claim};
use crate::scram::{self, Channel, Examiner, Prover};
use crate::ticket::TicketHeader;
use crate::words::Binding;

/// Reads arbitrary bytes as a peer's messages: on a control connection, in a ticket's header, on
/// the raw listener, and inside a session.
pub fn tunnel_messages(data: &[u8]) {
    let whole = read(data, data.len().max(1));
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(whole, read(data, size), "what is read depends on how the stream is cut");
    }
    for message in &whole.0 {
        let again = read(&message.encode(), usize::MAX);
        assert_eq!((again.0.first(), again.1), (Some(message), None), "what was read is not what is written");
        texts(message);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        header(text);
    }
    if let Some(claim) = data.first_chunk().and_then(|bytes| Claim::decode(bytes).ok()) {
        assert!(data.starts_with(&claim.encode()), "a claim is not written as it was read");
    }
    if let Some(greeting) = data.first_chunk() {
        // The result does not matter, because most inputs are not a greeting.
        let _ = raw::read_greeting(greeting);
    }
    words(data);
}

/// Reads all messages from pieces of this size. Returns them, and the error of the message after
/// them.
fn read(data: &[u8], size: usize) -> (Vec<Message>, Option<FrameError>) {
    let (mut inbox, mut messages) = (Inbox::default(), Vec::new());
    for piece in data.chunks(size) {
        inbox.push(piece);
        loop {
            match Message::next(&mut inbox) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

/// Reads the SCRAM messages inside a message.
fn texts(message: &Message) {
    match message {
        Message::Prove { client_first, .. } => {
            let examined = Examiner::new(client_first, Channel::Proxied);
            if let Ok(examiner) = examined {
                let pending = examiner.challenge("nonce", b"salt", 1);
                assert!(
                    pending.read_answer(client_first, Channel::Proxied).is_err(),
                    "a first message is no final one"
                );
            }
        }
        Message::Challenge(text) => {
            // The challenge belongs to another exchange, or to none.
            let _ = Prover::new("a", "own".into(), Binding::None, None).challenged(text);
        }
        Message::Joined { server_final: text, .. } => {
            if let Ok(signature) = scram::read_server_final(text) {
                assert_eq!(scram::read_server_final(&scram::server_final(&signature)), Ok(signature));
            }
        }
        _ => {}
    }
}

fn header(text: &str) {
    if let Ok(shown) = text.parse::<TicketHeader>() {
        let TicketHeader { role, ticket } = &shown;
        assert_eq!(
            ticket.header(*role).parse::<TicketHeader>().as_ref(),
            Ok(&shown),
            "a ticket is not shown as it was read"
        );
    }
}

/// Reads the request and the answer at the start of a session.
fn words(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let Ok(length) = opening::length(*length) else { return };
    let Some(words) = rest.get(..length) else { return };
    if let Ok(Some(target)) = opening::read_request(words) {
        assert!(target.len() <= opening::MAX_TEXT, "a name is longer than it may be");
        let again = opening::request(&target);
        assert_eq!(opening::read_request(again.get(opening::LENGTH..).unwrap_or_default()), Ok(Some(target)));
    }
    if let Ok((_, text)) = opening::read_answer(words) {
        assert!(text.len() <= opening::MAX_TEXT, "words are longer than they may be");
    }
}
