//! Detection of the extensions that an instance knows, from its messages before the first picture.
//!
//! An instance answers SetEncodings at once, before it sends pixels. `EndOfContinuousUpdates` and
//! `ServerFence` reveal that it knows those extensions; a pseudo-rectangle reveals QEMU's audio.
//! These messages can be measured without the pixel format, which the viewer may have changed. The
//! first rectangle with pixels ends the search.
//!
//! ```text
//!   0  FramebufferUpdate        0 · 1 padding · U16 n · n rectangles
//!      rectangle                U16 x · U16 y · U16 w · U16 h · S32 encoding · …
//!   1  SetColourMapEntries      1 · 1 padding · U16 first · U16 n · n × 6
//!   2  Bell                     2
//!   3  ServerCutText            3 · 3 padding · S32 length, negated by Extended Clipboard · text
//! 150  EndOfContinuousUpdates 150
//! 248  ServerFence            248 · 3 padding · U32 flags · U8 length · payload
//! 250  xvp                    250 · 1 padding · U8 version · U8 code
//! 253  gii                    253 · U8 sub-type, bit 7 = big endian · EU16 length · …
//! ```

/// Extensions whose client messages are safe only for an instance that knows them: another instance
/// would take their bytes for other messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extensions {
    /// The instance knows ClientFence.
    pub fence: bool,
    /// The instance knows EnableContinuousUpdates.
    pub continuous_updates: bool,
    /// The instance knows QEMU's audio.
    pub qemu_audio: bool,
}

/// The most bytes needed to measure a message or a rectangle: a rectangle, and the count in front
/// of its content.
const HEADER: usize = 16;

/// Follows an instance's messages from the end of ServerInit to its first pixels.
#[derive(Debug, Default)]
pub struct Announcements {
    known: Extensions,
    header: [u8; HEADER],
    gathered: usize,
    /// The bytes that remain of the current message or rectangle.
    skip: u32,
    /// The rectangles that remain of the current update.
    rectangles: u16,
    over: bool,
}

enum Measured {
    More,
    Whole(u32),
    Update(u16),
    LastRectangle,
    Pixels,
}

impl Announcements {
    /// The extensions that the instance has revealed so far.
    #[must_use]
    pub fn known(&self) -> Extensions {
        self.known
    }

    /// Returns whether the instance has begun to send pixels. Later announcements are not seen.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Reads the next bytes from the instance.
    pub fn see(&mut self, mut bytes: &[u8]) {
        while !self.over {
            let skipped = (self.skip as usize).min(bytes.len());
            self.skip = self.skip.saturating_sub(u32::try_from(skipped).unwrap_or(u32::MAX));
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            self.take(*byte);
        }
    }

    fn take(&mut self, byte: u8) {
        let Some(slot) = self.header.get_mut(self.gathered) else {
            self.over = true;
            return;
        };
        *slot = byte;
        self.gathered += 1;
        let header = self.header.get(..self.gathered).unwrap_or_default();
        let in_update = self.rectangles > 0;
        let measured =
            if in_update { rectangle(header, &mut self.known) } else { message(header, &mut self.known) };
        match measured {
            Measured::More => return,
            Measured::Pixels => self.over = true,
            Measured::Update(rectangles) => self.rectangles = rectangles,
            Measured::LastRectangle => self.rectangles = 0,
            Measured::Whole(len) => {
                self.skip = len.saturating_sub(u32::try_from(self.gathered).unwrap_or(u32::MAX));
                self.rectangles -= u16::from(in_update);
            }
        }
        self.gathered = 0;
    }
}

fn message(header: &[u8], known: &mut Extensions) -> Measured {
    match *header {
        [0, _, a, b] => Measured::Update(u16::from_be_bytes([a, b])),
        [1, _, _, _, a, b] => Measured::Whole(6 + 6 * u32::from(u16::from_be_bytes([a, b]))),
        [2] => Measured::Whole(1),
        [3, _, _, _, a, b, c, d] => {
            Measured::Whole(i32::from_be_bytes([a, b, c, d]).unsigned_abs().saturating_add(8))
        }
        [150] => {
            known.continuous_updates = true;
            Measured::Whole(1)
        }
        [248, _, _, _, _, _, _, _, len] => {
            known.fence = true;
            Measured::Whole(9 + u32::from(len))
        }
        [250, ..] => Measured::Whole(4),
        [253, endian, a, b] => {
            let len =
                if endian & 0x80 != 0 { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) };
            Measured::Whole(4 + u32::from(len))
        }
        [0 | 1 | 3 | 248 | 253, ..] => Measured::More,
        _ => Measured::Pixels,
    }
}

/// Measures a rectangle whose content does not depend on the pixel format.
fn rectangle(header: &[u8], known: &mut Extensions) -> Measured {
    let Some((&[_, _, _, _, _, _, _, _, a, b, c, d], content)) = header.split_first_chunk::<12>() else {
        return Measured::More;
    };
    match (i32::from_be_bytes([a, b, c, d]), content) {
        // DesktopSize, QEMU pointer motion, QEMU extended key, ExtendedMouseButtons.
        (-223 | -257 | -258 | -316, _) => Measured::Whole(12),
        (-224, _) => Measured::LastRectangle,
        (-259, _) => {
            known.qemu_audio = true;
            Measured::Whole(12)
        }
        // QEMU's LED state, and VMware's.
        (-261, _) => Measured::Whole(13),
        (0x574d_5668, _) => Measured::Whole(16),
        // DesktopName, ExtendedDesktopSize.
        (-307, &[a, b, c, d]) => Measured::Whole(u32::from_be_bytes([a, b, c, d]).saturating_add(16)),
        (-308, &[screens, _, _, _]) => Measured::Whole(16 + 16 * u32::from(screens)),
        (-307 | -308, _) => Measured::More,
        _ => Measured::Pixels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FENCE: &[u8] = b"\xf8\0\0\0\x80\0\0\x01\x03\x96\x96\x96";
    const RAW: &[u8] = b"\0\0\0\x01\0\0\0\0\0\x01\0\x01\0\0\0\0\xff\xff\xff\xff";

    fn seen(bytes: &[u8]) -> (Extensions, bool) {
        let mut whole = Announcements::default();
        whole.see(bytes);
        let mut cut = Announcements::default();
        bytes.iter().for_each(|byte| cut.see(&[*byte]));
        assert_eq!((cut.known, cut.over), (whole.known, whole.over), "it depends on how the stream is cut");
        (whole.known, whole.over)
    }

    #[test]
    fn an_instance_announces_its_extensions_before_it_paints() {
        let name =
            b"\0\0\0\x02\0\0\0\0\0\0\0\0\xff\xff\xfe\xcd\0\0\0\x02\xf8\x96\0\0\0\0\0\0\0\0\xff\xff\xfe\xfd";
        let messages =
            [&b"\x02"[..], b"\x03\0\0\0\0\0\0\x02\x96\xf8", name, b"\xfa\0\x01\x01", FENCE, b"\x96"];
        let (known, over) = seen(&messages.concat());
        assert_eq!(known, Extensions { fence: true, continuous_updates: true, qemu_audio: true });
        assert!(!over);
        assert_eq!(seen(FENCE).0, Extensions { fence: true, ..Extensions::default() });
        assert_eq!(seen(b"\xf8\0\0\0\x80\0\0\x01").0, Extensions::default());
    }

    #[test]
    fn pixels_that_look_like_an_announcement_are_ignored() {
        for picture in [RAW, b"\0\0\0\x01\0\0\0\0\0\x01\0\x01\0\0\0\x10\0\0\0\x01", b"\xff\x01", b"\x7f"] {
            let (known, over) = seen(&[picture, FENCE, b"\x96"].concat());
            assert_eq!((known, over), (Extensions::default(), true), "{picture:02x?}");
        }
    }

    #[test]
    fn an_update_without_pixels_ends_where_it_says() {
        let last = b"\0\0\xff\xff\0\0\0\0\0\0\0\0\xff\xff\xff\x21\0\0\0\0\0\0\0\0\xff\xff\xff\x20";
        assert_eq!(
            seen(&[last, FENCE].concat()),
            (Extensions { fence: true, ..Extensions::default() }, false)
        );
        assert!(seen(&[b"\0\0\0\0", FENCE].concat()).0.fence);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_read_the_same_however_they_are_cut(bytes: Vec<u8>) {
            seen(&bytes);
        }
    }
}
