//! The client's side of WebSocket (RFC 6455 §4.1): the request, the validation of the answer, and
//! masked frames.

use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL};

use crate::frame::{BINARY as BINARY_FRAME, CLOSE, FIN, IN_EIGHT, IN_TWO, MASKED, MAX_CONTROL, PONG};
use crate::upgrade::{BINARY, accept, is_upgrade};

/// The longest payload of a frame that [`push_masked`] writes.
pub const MAX_PAYLOAD: usize = 128 * 1024;
/// The longest head of an answer.
pub const MAX_ANSWER: usize = 16 * 1024;
/// The most headers in an answer.
const MAX_HEADERS: usize = 64;

/// The reason why the answer to a WebSocket request is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The answer is not HTTP/1.1, or its head is too long.
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
    /// The server answers with a status other than 101.
    #[error("the server answers {0}")]
    Status(StatusCode),
    /// The server answers 101, but not for this WebSocket request.
    #[error("the server answers 101 but does not switch to WebSocket")]
    NotWebSocket,
    /// The server picked a subprotocol that the request does not offer.
    #[error("the server picks a subprotocol that was not offered")]
    Subprotocol,
}

/// A WebSocket request that offers the subprotocol for RFB.
pub struct Request {
    key: String,
}

impl Request {
    /// Returns a request with this nonce, which must be random.
    #[must_use]
    pub fn new(nonce: [u8; 16]) -> Self {
        Self { key: STANDARD.encode(nonce) }
    }

    /// Returns the head of the request for `target` at the authority `host`. `more` are names and
    /// values of further headers, which must be well-formed.
    #[must_use]
    pub fn head<'a>(
        &self,
        host: &str,
        target: &str,
        more: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<u8> {
        let mut head = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\nSec-WebSocket-Protocol: {BINARY}\r\n",
            self.key
        );
        for (name, value) in more {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Reads the answer. Returns the length of its head, or `None` while the head is incomplete.
    pub fn read_answer(&self, bytes: &[u8]) -> Result<Option<usize>, AnswerError> {
        let mut room = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut answer = httparse::Response::new(&mut room);
        let parsed = answer.parse(bytes).map_err(|_| AnswerError::NotHttp)?;
        // The status of a refusal is enough. The rest of it may never arrive.
        if let Some(code) = answer.code
            && code != 101
        {
            let status = StatusCode::from_u16(code).map_err(|_| AnswerError::NotHttp)?;
            return Err(AnswerError::Status(status));
        }
        let httparse::Status::Complete(len) = parsed else {
            return if bytes.len() > MAX_ANSWER { Err(AnswerError::NotHttp) } else { Ok(None) };
        };
        let mut headers = HeaderMap::new();
        for header in answer.headers.iter() {
            let name = HeaderName::from_bytes(header.name.as_bytes());
            let value = HeaderValue::from_bytes(header.value);
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        let expected = accept(self.key.as_bytes());
        let is_ours = headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|value| {
            constant_time::verify_slices_are_equal(value.as_bytes(), expected.as_bytes()).is_ok()
        });
        if !is_upgrade(&headers) || !is_ours {
            return Err(AnswerError::NotWebSocket);
        }
        // A server that does not know subprotocols picks none, which is accepted.
        if headers.get(SEC_WEBSOCKET_PROTOCOL).is_some_and(|picked| picked != BINARY) {
            return Err(AnswerError::Subprotocol);
        }
        Ok(Some(len))
    }
}

/// Appends a masked binary frame with at most the first [`MAX_PAYLOAD`] bytes of `payload`. Returns
/// the number of payload bytes in the frame. `key` must be random.
pub fn push_masked(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) -> usize {
    let payload = payload.get(..MAX_PAYLOAD).unwrap_or(payload);
    push(out, BINARY_FRAME, payload, key);
    payload.len()
}

/// Appends the masked answer to a ping.
pub fn push_masked_pong(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    push(out, PONG, payload.get(..MAX_CONTROL).unwrap_or(payload), key);
}

/// Appends a masked close frame without text.
pub fn push_masked_close(out: &mut Vec<u8>, code: u16, key: [u8; 4]) {
    push(out, CLOSE, &code.to_be_bytes(), key);
}

fn push(out: &mut Vec<u8>, opcode: u8, payload: &[u8], key: [u8; 4]) {
    out.push(FIN | opcode);
    if let Ok(length @ 0..IN_TWO) = u8::try_from(payload.len()) {
        out.push(MASKED | length);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        out.push(MASKED | IN_TWO);
        out.extend(length.to_be_bytes());
    } else {
        out.push(MASKED | IN_EIGHT);
        out.extend((payload.len() as u64).to_be_bytes());
    }
    out.extend(key);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(payload) = out.get_mut(start..) {
        crate::deframer::xor(payload, key, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deframer::{Deframer, Signals};
    use proptest::prelude::*;

    fn request() -> Request {
        // The example of RFC 6455 §1.3.
        Request { key: "dGhlIHNhbXBsZSBub25jZQ==".to_owned() }
    }

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    #[test]
    fn an_answer_is_read_however_it_is_cut() {
        let with_rfb = format!("{GOOD}\u{2}RFB");
        for end in 0..GOOD.len() {
            assert_eq!(
                request().read_answer(with_rfb.as_bytes().get(..end).expect("a part")),
                Ok(None),
                "{end}"
            );
        }
        assert_eq!(request().read_answer(with_rfb.as_bytes()), Ok(Some(GOOD.len())));
        let picked = GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: binary\r\n\r\n");
        assert_eq!(request().read_answer(picked.as_bytes()), Ok(Some(picked.len())));
    }

    #[test]
    fn an_answer_that_is_no_websocket_is_refused_with_its_reason() {
        let status = |code| AnswerError::Status(StatusCode::from_u16(code).expect("a status"));
        let subprotocol = GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
        for (answer, error) in [
            ("HTTP/1.1 401 Unauthorized\r\nWWW-Auth".to_owned(), status(401)),
            ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), status(200)),
            ("RFB 003.008\n".to_owned(), AnswerError::NotHttp),
            (GOOD.replace("s3pP", "s3pp"), AnswerError::NotWebSocket),
            (GOOD.replace("Upgrade: websocket", "Upgrade: h2c"), AnswerError::NotWebSocket),
            (subprotocol, AnswerError::Subprotocol),
            (format!("HTTP/1.1 101 X\r\nA: {}", "x".repeat(MAX_ANSWER)), AnswerError::NotHttp),
        ] {
            assert_eq!(request().read_answer(answer.as_bytes()), Err(error), "{answer}");
        }
    }

    #[test]
    fn further_headers_follow_the_requests_own() {
        let plain = request().head("h:1", "/a?b", []);
        let more = request().head("h:1", "/a?b", [("Authorization", "Bearer x"), ("X-Empty", "")]);
        let own = plain.strip_suffix(b"\r\n").expect("an empty line");
        assert!(own.starts_with(b"GET /a?b HTTP/1.1\r\nHost: h:1\r\n"));
        assert!(own.ends_with(b"\r\nSec-WebSocket-Protocol: binary\r\n"));
        assert_eq!(more.strip_prefix(own), Some(&b"Authorization: Bearer x\r\nX-Empty: \r\n\r\n"[..]));
    }

    proptest! {
        #[test]
        fn a_server_reads_what_the_client_writes(
            payload in prop::collection::vec(any::<u8>(), 0..70_000), key in any::<[u8; 4]>(),
        ) {
            let mut out = Vec::new();
            prop_assert_eq!(push_masked(&mut out, &payload, key), payload.len());
            let (mut deframer, mut signals) = (Deframer::default(), Signals::default());
            let data = deframer.unmask(&mut out, &mut signals).expect("a frame");
            prop_assert_eq!(out.get(data), Some(payload.as_slice()));
        }
    }

    #[test]
    fn a_long_payload_is_cut_at_the_limit() {
        let mut out = Vec::new();
        assert_eq!(push_masked(&mut out, &[7; MAX_PAYLOAD + 1], [1, 2, 3, 4]), MAX_PAYLOAD);
        push_masked_pong(&mut out, &[1; 200], [0; 4]);
        push_masked_close(&mut out, 1000, [0; 4]);
        assert!(out.ends_with(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]));
    }
}
