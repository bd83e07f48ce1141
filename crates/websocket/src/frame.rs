//! Outgoing frames (RFC 6455 §5.2). A header is written into the head-room, the space that the
//! caller reserves before the payload.
//!
//! ```text
//! u8 fin · rsv3 · opcode4 | u8 mask · len7 | (u16 | u64 longer length) | 4 masking key | payload
//! ```

/// The longest header of a frame that a server sends: 2 bytes and a 64-bit length, without a mask.
pub const HEAD_ROOM: usize = 10;
/// The longest payload of a control frame (RFC 6455 §5.5).
pub const MAX_CONTROL: usize = 125;

pub(crate) const FIN: u8 = 0x80;
pub(crate) const RESERVED: u8 = 0x70;
pub(crate) const MASKED: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
/// The values of `len7` that announce a length in the next 2 or 8 bytes.
pub(crate) const IN_TWO: u8 = 126;
pub(crate) const IN_EIGHT: u8 = 127;

/// Writes the header of a binary frame to the end of `room`, directly before its payload. Returns
/// the index at which the frame begins.
pub fn write_header(room: &mut [u8; HEAD_ROOM], payload: usize) -> usize {
    header(room, BINARY, payload)
}

fn header(room: &mut [u8; HEAD_ROOM], opcode: u8, payload: usize) -> usize {
    let first = FIN | opcode;
    if let Ok(length @ 0..IN_TWO) = u8::try_from(payload) {
        let [.., head, last] = room;
        (*head, *last) = (first, length);
        HEAD_ROOM - 2
    } else if let Ok(length) = u16::try_from(payload) {
        let [high, low] = length.to_be_bytes();
        let [_, _, _, _, _, _, head @ ..] = room;
        *head = [first, IN_TWO, high, low];
        HEAD_ROOM - 4
    } else {
        let [a, b, c, d, e, f, g, h] = (payload as u64).to_be_bytes();
        *room = [first, IN_EIGHT, a, b, c, d, e, f, g, h];
        0
    }
}

/// Appends a binary frame.
pub fn push_binary(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, BINARY, payload);
}

/// Appends a text frame.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    push(out, TEXT, text.as_bytes());
}

/// Appends a ping without payload.
pub fn push_ping(out: &mut Vec<u8>) {
    push(out, PING, &[]);
}

/// Appends the answer to a ping.
pub fn push_pong(out: &mut Vec<u8>, payload: &[u8]) {
    push_control(out, PONG, payload);
}

/// Appends a close frame; the text is at most 123 bytes.
pub fn push_close(out: &mut Vec<u8>, code: u16, text: &str) {
    let payload = [&code.to_be_bytes(), text.as_bytes()].concat();
    push_control(out, CLOSE, &payload);
}

fn push_control(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    push(out, opcode, payload.get(..MAX_CONTROL).unwrap_or(payload));
}

fn push(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    let mut room = [0; HEAD_ROOM];
    let start = header(&mut room, opcode, payload.len());
    out.extend(room.iter().skip(start));
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_shortest_length() {
        for (payload, header) in [
            (5_usize, vec![0x82, 5]),
            (126, vec![0x82, 126, 0, 126]),
            (0xFFFF, vec![0x82, 126, 0xFF, 0xFF]),
            (0x1_0000, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut room = [0; HEAD_ROOM];
            let start = write_header(&mut room, payload);
            assert_eq!(room.get(start..), Some(header.as_slice()));
        }
    }

    #[test]
    fn a_frame_is_appended_whole() {
        let mut out = b"before".to_vec();
        push_text(&mut out, "{}");
        push_ping(&mut out);
        push_close(&mut out, 1000, &"x".repeat(300));
        let close = [&[0x88, 125, 0x03, 0xE8][..], &[b'x'; 123]].concat();
        assert_eq!(out, [b"before\x81\x02{}\x89\x00", &close[..]].concat());
    }
}
