//! Incoming frames (RFC 6455 §5): parsed as their bytes arrive, and unmasked in place.

use crate::frame::{
    BINARY, CLOSE, CONTINUATION, FIN, IN_EIGHT, IN_TWO, MASKED, MAX_CONTROL, PING, PONG, RESERVED, TEXT,
};

/// The longest frame. The payload is passed on as it arrives and never stored, so this limit only
/// rejects absurd lengths. It is twice the longest clipboard message that RFB allows.
pub const MAX_FRAME: u64 = 4 * 1024 * 1024 * 1024;
/// The longest text message, including all its fragments: a hundred times what a page needs.
pub const MAX_TEXT: usize = 4 * 1024;
/// The most text messages in one chunk: as many as a page may send in a second.
pub const MAX_TEXTS: usize = 20;

/// The sender's violation of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A client's frame is not masked, but clients must mask (RFC 6455 §5.1).
    #[error("a frame is not masked")]
    Unmasked,
    /// A server's frame is masked, but servers must not mask (RFC 6455 §5.1).
    #[error("a frame is masked")]
    Masked,
    /// A reserved bit is set, although no extension was negotiated.
    #[error("a frame has reserved bits set")]
    Reserved,
    /// The opcode is not one of the six that RFC 6455 defines.
    #[error("a frame has the unknown opcode {0}")]
    Opcode(u8),
    /// A text frame arrived, but this deframer does not accept text.
    #[error("a frame holds text")]
    Text,
    /// A text message is longer than [`MAX_TEXT`].
    #[error("a text message is longer than {MAX_TEXT} bytes")]
    TextTooLong,
    /// A chunk contains more than [`MAX_TEXTS`] text messages.
    #[error("text messages come too fast")]
    TooManyTexts,
    /// The frame is longer than [`MAX_FRAME`].
    #[error("a frame announces {0} bytes")]
    TooLong(u64),
    /// A control frame is fragmented or too long (RFC 6455 §5.5).
    #[error("a control frame is fragmented or too long")]
    Control,
    /// A continuation has no beginning, or a message begins inside another one (RFC 6455 §5.4).
    #[error("fragments do not follow each other")]
    Fragments,
}

/// The content of a chunk other than data.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// The newest ping that needs an answer.
    pub ping: Option<Vec<u8>>,
    /// The sender's close code; 1005 if its close frame has no code.
    pub close: Option<u16>,
    /// Whole text messages, at most [`MAX_TEXTS`].
    pub texts: Vec<Vec<u8>>,
}

/// The message that is in progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Message {
    /// No message is in progress.
    #[default]
    None,
    Binary,
    Text,
}

/// Parses frames as their bytes arrive.
#[derive(Debug, Default)]
pub struct Deframer {
    header: [u8; 14],
    have: u8,
    opcode: u8,
    key: [u8; 4],
    /// The offset of the next payload byte in the masking key.
    phase: usize,
    left: u64,
    message: Message,
    /// True if this frame belongs to a text message.
    is_text: bool,
    takes_text: bool,
    /// True if the sender is a server, which does not mask.
    is_from_server: bool,
    closed: bool,
    control: Vec<u8>,
    text: Vec<u8>,
}

impl Deframer {
    /// Returns a deframer that also accepts text messages, and delivers them [separately from the
    /// data](Signals::texts).
    pub fn taking_text() -> Self {
        Self { takes_text: true, ..Self::default() }
    }

    /// Returns a deframer for the frames of a server.
    pub fn from_server() -> Self {
        Self { is_from_server: true, ..Self::default() }
    }

    /// Unmasks the payload in `chunk` in place and makes it contiguous. Returns its range.
    pub fn unmask(
        &mut self,
        chunk: &mut [u8],
        signals: &mut Signals,
    ) -> Result<std::ops::Range<usize>, FrameError> {
        let (mut read, mut data) = (0, 0..0);
        while !self.closed
            && let Some(rest) = chunk.get_mut(read..).filter(|rest| !rest.is_empty())
        {
            if self.left == 0 {
                read += self.take_header(rest, signals)?;
                continue;
            }
            let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
            let (payload, _) = rest.split_at_mut(count);
            if !self.is_from_server {
                xor(payload, self.key, self.phase);
            }
            self.phase = self.phase.wrapping_add(count) % 4;
            self.left -= count as u64;
            if self.opcode >= CLOSE {
                self.control.extend_from_slice(payload);
                if self.left == 0 {
                    self.end_control(signals);
                }
            } else if self.is_text {
                self.text.extend_from_slice(payload);
                if self.left == 0 {
                    self.end_text(signals)?;
                }
            } else if data.is_empty() {
                // The first payload stays in place. Most chunks hold only one frame, so no bytes
                // move.
                data = read..read + count;
            } else {
                chunk.copy_within(read..read + count, data.end);
                data.end += count;
            }
            read += count;
        }
        Ok(data)
    }

    /// Takes header bytes from the front of `bytes`, and returns their number.
    fn take_header(&mut self, bytes: &[u8], signals: &mut Signals) -> Result<usize, FrameError> {
        let mut taken = 0;
        for byte in bytes {
            if let Some(place) = self.header.get_mut(usize::from(self.have)) {
                *place = *byte;
            }
            self.have += 1;
            taken += 1;
            if self.have == 2 {
                self.check_start()?;
            }
            if self.have >= 2 && usize::from(self.have) == self.header_len() {
                self.begin_payload(signals)?;
                break;
            }
        }
        Ok(taken)
    }

    fn header_len(&self) -> usize {
        let [_, second, ..] = self.header;
        let key = if self.is_from_server { 0 } else { 4 };
        match second & !MASKED {
            IN_TWO => 4 + key,
            IN_EIGHT => 10 + key,
            _ => 2 + key,
        }
    }

    fn check_start(&mut self) -> Result<(), FrameError> {
        let [first, second, ..] = self.header;
        let (opcode, length, fin) = (first & 0x0F, second & !MASKED, first & FIN != 0);
        if first & RESERVED != 0 {
            return Err(FrameError::Reserved);
        }
        match (second & MASKED != 0, self.is_from_server) {
            (false, false) => return Err(FrameError::Unmasked),
            (true, true) => return Err(FrameError::Masked),
            _ => {}
        }
        match opcode {
            TEXT if !self.takes_text => return Err(FrameError::Text),
            TEXT | BINARY | CONTINUATION => {
                if (self.message != Message::None) != (opcode == CONTINUATION) {
                    return Err(FrameError::Fragments);
                }
                let message = match opcode {
                    TEXT => Message::Text,
                    BINARY => Message::Binary,
                    _ => self.message,
                };
                self.is_text = message == Message::Text;
                self.message = if fin { Message::None } else { message };
            }
            CLOSE | PING | PONG if !fin || usize::from(length) > MAX_CONTROL => {
                return Err(FrameError::Control);
            }
            CLOSE | PING | PONG => {}
            other => return Err(FrameError::Opcode(other)),
        }
        self.opcode = opcode;
        Ok(())
    }

    fn begin_payload(&mut self, signals: &mut Signals) -> Result<(), FrameError> {
        let [_, second, behind @ ..] = self.header;
        let (length, key) = match second & !MASKED {
            IN_TWO => {
                let [high, low, a, b, c, d, ..] = behind;
                (u16::from_be_bytes([high, low]).into(), [a, b, c, d])
            }
            IN_EIGHT => {
                let [length @ .., a, b, c, d] = behind;
                (u64::from_be_bytes(length), [a, b, c, d])
            }
            length => {
                let [a, b, c, d, ..] = behind;
                (length.into(), [a, b, c, d])
            }
        };
        if length > MAX_FRAME {
            return Err(FrameError::TooLong(length));
        }
        let is_text = self.opcode < CLOSE && self.is_text;
        if is_text && length > (MAX_TEXT - self.text.len()) as u64 {
            return Err(FrameError::TextTooLong);
        }
        self.key = key;
        self.phase = 0;
        self.have = 0;
        self.left = length;
        if length == 0 && self.opcode >= CLOSE {
            self.end_control(signals);
        } else if length == 0 && is_text {
            self.end_text(signals)?;
        }
        Ok(())
    }

    /// Ends a frame of a text message, and the message with its last frame.
    fn end_text(&mut self, signals: &mut Signals) -> Result<(), FrameError> {
        if self.message == Message::None {
            if signals.texts.len() >= MAX_TEXTS {
                return Err(FrameError::TooManyTexts);
            }
            signals.texts.push(std::mem::take(&mut self.text));
        }
        Ok(())
    }

    fn end_control(&mut self, signals: &mut Signals) {
        let payload = std::mem::take(&mut self.control);
        match self.opcode {
            // Only the newest of several pings needs an answer (RFC 6455 §5.5.3).
            PING => signals.ping = Some(payload),
            CLOSE => {
                self.closed = true;
                signals.close = Some(match payload.as_slice() {
                    [high, low, ..] => u16::from_be_bytes([*high, *low]),
                    _ => 1005,
                });
            }
            _ => {}
        }
    }
}

/// Undoes the masking, eight bytes at a time so that the compiler can use wide registers.
pub(crate) fn xor(payload: &mut [u8], key: [u8; 4], phase: usize) {
    let mut key = key;
    key.rotate_left(phase);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns a masked frame as a browser sends it.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let key = [0xA1, 0x02, 0x33, 0x74];
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..=125 => frame.push(MASKED | u8::try_from(len).expect("a short length")),
            len @ 126..=0xFFFF => {
                frame.push(MASKED | 126);
                frame.extend(u16::try_from(len).expect("two bytes").to_be_bytes());
            }
            len => {
                frame.push(MASKED | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(key);
        frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    fn unmask_in_pieces(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Signals), FrameError> {
        let (mut deframer, mut signals, mut data) = (Deframer::default(), Signals::default(), Vec::new());
        for chunk in bytes.chunks(piece.max(1)) {
            let mut chunk = chunk.to_vec();
            let range = deframer.unmask(&mut chunk, &mut signals)?;
            data.extend_from_slice(chunk.get(range).expect("a range of the chunk"));
        }
        Ok((data, signals))
    }

    #[test]
    fn the_example_of_the_rfc_unmasks() {
        // RFC 6455 §5.7, a masked "Hello", as binary.
        let bytes = [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(unmask_in_pieces(&bytes, 99).expect("frame").0, b"Hello");
    }

    #[test]
    fn control_frames_between_fragments_are_told_and_taken_out() {
        let bytes = [
            masked(BINARY, b"ab"),
            masked(FIN | PING, b"now"),
            masked(FIN, b"cd"),
            masked(FIN | PONG, b""),
            masked(FIN | CLOSE, &[0x03, 0xE8, b'b', b'y', b'e']),
            masked(FIN | BINARY, b"after the close"),
        ]
        .concat();
        for piece in [1, 2, 7, 1000] {
            let (data, signals) = unmask_in_pieces(&bytes, piece).expect("frames");
            assert_eq!(data, b"abcd");
            let expected = Signals { ping: Some(b"now".to_vec()), close: Some(1000), texts: Vec::new() };
            assert_eq!(signals, expected);
        }
    }

    #[test]
    fn text_messages_are_handed_out_beside_the_data() {
        let bytes = [
            masked(BINARY, b"ab"),
            masked(FIN, b"cd"),
            masked(FIN | TEXT, b"{1}"),
            masked(TEXT, b"{"),
            masked(FIN | PING, b""),
            masked(CONTINUATION, b""),
            masked(FIN, b"2}"),
            masked(FIN | TEXT, b""),
            masked(FIN | BINARY, b"ef"),
        ]
        .concat();
        for piece in [1, 2, 5, 1000] {
            let (mut deframer, mut signals, mut data) =
                (Deframer::taking_text(), Signals::default(), Vec::new());
            for chunk in bytes.chunks(piece) {
                let mut chunk = chunk.to_vec();
                let range = deframer.unmask(&mut chunk, &mut signals).expect("frames");
                data.extend_from_slice(chunk.get(range).expect("a range of the chunk"));
            }
            assert_eq!(data, b"abcdef");
            assert_eq!(signals.texts, [&b"{1}"[..], b"{2}", b""]);
            assert_eq!(signals.ping, Some(Vec::new()));
        }
    }

    #[test]
    fn text_messages_have_a_length_and_a_number() {
        let unmask = |bytes: &[u8]| {
            Deframer::taking_text().unmask(&mut bytes.to_vec(), &mut Signals::default()).map(|_| ())
        };
        let half = MAX_TEXT / 2;
        assert_eq!(unmask(&masked(FIN | TEXT, &[b'x'; MAX_TEXT])), Ok(()));
        assert_eq!(unmask(&masked(FIN | TEXT, &[b'x'; MAX_TEXT + 1])), Err(FrameError::TextTooLong));
        let fragments = [masked(TEXT, &vec![b'x'; half]), masked(FIN, &vec![b'x'; half + 1])].concat();
        assert_eq!(unmask(&fragments), Err(FrameError::TextTooLong));
        assert_eq!(unmask(&masked(FIN | TEXT, b"x").repeat(20)), Ok(()));
        assert_eq!(unmask(&masked(FIN | TEXT, b"x").repeat(21)), Err(FrameError::TooManyTexts));
        assert_eq!(
            unmask(&[masked(TEXT, b"x"), masked(FIN | BINARY, b"y")].concat()),
            Err(FrameError::Fragments)
        );
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        let long = [&[0x82, 0xFF][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
        for (bytes, error) in [
            (vec![0x82, 0x05, b'H'], FrameError::Unmasked),
            (masked(FIN | 0x40 | BINARY, b"x"), FrameError::Reserved),
            (masked(FIN | TEXT, b"x"), FrameError::Text),
            (masked(FIN | 3, b"x"), FrameError::Opcode(3)),
            (masked(FIN | CONTINUATION, b"x"), FrameError::Fragments),
            ([masked(BINARY, b"x"), masked(BINARY, b"y")].concat(), FrameError::Fragments),
            (masked(PING, b"x"), FrameError::Control),
            (masked(FIN | PING, &[0; 126]), FrameError::Control),
            (long, FrameError::TooLong(u64::MAX)),
        ] {
            assert_eq!(unmask_in_pieces(&bytes, 1).err(), Some(error));
        }
    }

    proptest! {
        #[test]
        fn any_cut_of_any_frames_gives_the_same_data(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            piece in 1_usize..400,
        ) {
            let bytes: Vec<u8> = payloads.iter().flat_map(|payload| masked(FIN | BINARY, payload)).collect();
            let (data, _) = unmask_in_pieces(&bytes, piece).expect("frames");
            prop_assert_eq!(data, payloads.concat());
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1_usize..50) {
            let _ = unmask_in_pieces(&bytes, piece);
        }
    }
}
