//! The messages from an instance to a viewer that a minimal server sends (RFC 6143 §7.6).
//!
//! ```text
//! 0  FramebufferUpdate   0 · 1 padding · U16 n · n rectangles
//!    rectangle           U16 x · U16 y · U16 w · U16 h · S32 encoding · …
//! 2  Bell                2
//! 3  ServerCutText       3 · 3 padding · U32 length · text in Latin-1
//! ```

use crate::encoding::Encoding;
use crate::limits::MAX_NAME;
use crate::wire::Writer;

/// Writes the header of a FramebufferUpdate. That many `rectangles` must follow.
pub fn update_header(rectangles: u16, out: &mut Vec<u8>) {
    let mut writer = Writer::new();
    writer.u8(0).pad(1).u16(rectangles);
    out.append(&mut writer.take());
}

/// Writes the header of a rectangle `[x, y, width, height]`. Its content must follow.
pub fn rectangle_header([x, y, width, height]: [u16; 4], encoding: Encoding, out: &mut Vec<u8>) {
    let mut writer = Writer::new();
    writer.u16(x).u16(y).u16(width).u16(height).i32(encoding.0);
    out.append(&mut writer.take());
}

/// Writes a rectangle that renames the desktop, for a viewer that asked for
/// [`Encoding::DESKTOP_NAME`].
pub fn desktop_name_rectangle(name: &str, out: &mut Vec<u8>) {
    rectangle_header([0; 4], Encoding::DESKTOP_NAME, out);
    out.append(&mut Writer::new().string(name.as_bytes(), MAX_NAME).take());
}

/// Writes the server's clipboard, in Latin-1.
pub fn cut_text(text: &[u8], out: &mut Vec<u8>) {
    let mut writer = Writer::new();
    writer.u8(3).pad(3).string(text, crate::limits::MAX_CUT_TEXT);
    out.append(&mut writer.take());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_bytes_are_those_of_the_rfc() {
        let mut out = Vec::new();
        update_header(2, &mut out);
        rectangle_header([1, 2, 3, 4], Encoding::RAW, &mut out);
        desktop_name_rectangle("ab", &mut out);
        cut_text(b"hi", &mut out);
        let golden = [
            &b"\0\0\0\x02"[..],
            b"\0\x01\0\x02\0\x03\0\x04\0\0\0\0",
            b"\0\0\0\0\0\0\0\0\xff\xff\xfe\xcd\0\0\0\x02ab",
            b"\x03\0\0\0\0\0\0\x02hi",
        ];
        assert_eq!(out, golden.concat());
    }
}
